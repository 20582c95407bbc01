import type { Database } from '@voucher-gateway/platform/database';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { DeadLetter, ReadDeadLetters } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { readParked, retryAtOnce } from '@voucher-gateway/platform/topics/parked-messages';
import type { CommandResult } from '../run-command.ts';
import { idOf } from './letter-id.ts';
import type { DeadLettersCommand } from './parse-command.ts';
import { describeLetter, describeParked, describeReplayed, showLetter, showParked } from './print.ts';
import { createReplay } from './replay.ts';

/** The engines of the command: a service's database and the topics. */
export interface DeadLetterEngines {
  database: Database;
  readDeadLetters: ReadDeadLetters;
}

const listedAtMost = 1_000;

/**
 * Runs an operator's command.
 * @throws CodedError DATABASE_UNAVAILABLE, TOPICS_UNAVAILABLE (both retryable)
 */
export async function runDeadLettersCommand(
  engines: DeadLetterEngines,
  command: DeadLettersCommand,
): Promise<CommandResult> {
  switch (command.name) {
    case 'list':
      return list(engines);
    case 'show':
      return show(engines, command.id);
    case 'replay':
      return replay(engines, command.ids);
  }
}

async function list({ database, readDeadLetters }: DeadLetterEngines): Promise<CommandResult> {
  const lines = (await readParked(database.query, { limit: listedAtMost })).map(describeParked);
  let more = 0;
  const fault = await whyUnread(readDeadLetters, (letter) => {
    if (lines.length < 2 * listedAtMost) lines.push(describeLetter(letter));
    else more += 1;
  });
  if (fault) return { done: false, message: [...lines, fault].join('\n') };
  if (lines.length === 0) return { done: true, message: 'Nothing is parked, and nothing is in dead-letter.' };
  if (more > 0) lines.push(`… and ${more} more in dead-letter`);
  return { done: true, message: lines.join('\n') };
}

async function show({ database, readDeadLetters }: DeadLetterEngines, id: string): Promise<CommandResult> {
  const [row] = await readParked(database.query, { ids: parkedIds([id]) });
  if (row) return { done: true, message: showParked(row) };
  let found: DeadLetter | undefined;
  await readDeadLetters((letter) => {
    if (idOf(letter) === id) found = letter;
  });
  return found ? { done: true, message: showLetter(found) } : { done: false, message: `There is no message ${id}.` };
}

async function replay(
  { database, readDeadLetters }: DeadLetterEngines,
  ids: ReadonlySet<string> | 'all',
): Promise<CommandResult> {
  const lines: string[] = [];
  const missing = new Set(ids === 'all' ? [] : ids);
  const parked = await retryAtOnce(database.query, ids === 'all' ? 'all' : parkedIds([...ids]));
  for (const id of parked) {
    missing.delete(`parked:${id}`);
    lines.push(`parked:${id} is tried again now`);
  }
  let isDone = true;
  const replays = await createReplay(database);
  const namesLetters = ids === 'all' || [...missing].some((id) => parkedIds([id]).length === 0);
  const unread =
    namesLetters &&
    (await whyUnread(readDeadLetters, (letter) => {
      if (ids !== 'all' && !ids.has(idOf(letter))) return;
      missing.delete(idOf(letter));
      replays.add(letter);
    }));
  for (const replayed of await replays.run()) {
    if (replayed.fault) isDone = false;
    lines.push(describeReplayed(replayed));
  }
  for (const id of missing) if (!unread || parkedIds([id]).length > 0) lines.push(`There is no message ${id}.`);
  if (unread) return { done: false, message: [...lines, unread].join('\n') };
  if (lines.length === 0) return { done: true, message: 'There is nothing to try again.' };
  return { done: isDone && missing.size === 0, message: lines.join('\n') };
}

/**
 * Reads the dead letters. If the topics can't be read, returns the error as a text instead of throwing. So the command
 * still works on parked messages, which are in the database.
 */
async function whyUnread(
  readDeadLetters: ReadDeadLetters,
  onLetter: (letter: DeadLetter) => void,
): Promise<string | undefined> {
  try {
    await readDeadLetters(onLetter);
    return undefined;
  } catch (error) {
    if (!isCodedError(error)) throw error;
    return `The dead letters can not be read: ${error.message}`;
  }
}

function parkedIds(ids: readonly string[]): number[] {
  return ids.flatMap((id) => {
    const match = /^parked:(\d{1,15})$/.exec(id);
    return match ? [Number(match[1])] : [];
  });
}

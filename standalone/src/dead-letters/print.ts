import type { DeadLetter } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { type ParkedRow, untilReplayed } from '@voucher-gateway/platform/topics/parked-messages';
import { idOf } from './letter-id.ts';
import type { Replayed } from './replay.ts';

/** Limit of printed characters per header. Messages of foreign producers may have long headers. */
const maxShown = 1_000;

/** Describes a dead letter in one line, without its value. */
export function describeLetter(letter: DeadLetter): string {
  const { headers, publishedAt } = letter;
  const of = (name: string) => inOneLine((headers[`dead-letter-${name}`] ?? '?').slice(0, maxShown));
  return `${idOf(letter)}  ${timeOf(publishedAt)}  ${of('topic')} → ${of('group')}  ${of('error')}: ${of('message')}`;
}

/** Describes a parked message in one line, without its value. */
export function describeParked({ id, topic, group, parkedAt, retryAt, ...row }: ParkedRow): string {
  const isKept = retryAt.getTime() === untilReplayed.getTime();
  const retries = isKept ? 'until it is replayed' : `${row.attempts} retries, next at ${retryAt.toISOString()}`;
  return inOneLine(
    `parked:${id}  ${parkedAt.toISOString()}  ${topic} → ${group}  ${row.errorCode}: ${row.errorMessage}  (${retries})`,
  );
}

export function showLetter(letter: DeadLetter): string {
  return printable(JSON.stringify({ id: idOf(letter), ...letter, publishedAt: timeOf(letter.publishedAt) }, null, 2));
}

export function showParked({ id, keyHash, message, publishedAt, ...row }: ParkedRow): string {
  const shown = { id: `parked:${id}`, ...row, publishedAt: timeOf(publishedAt), ...JSON.parse(message) };
  return printable(JSON.stringify(shown, null, 2));
}

/** Describes the result of a replay in one line. */
export function describeReplayed({ id, group, fault }: Replayed): string {
  return inOneLine(fault ? `${id} is not replayed: ${fault}` : `${id} is replayed to ${group}`);
}

/** Escapes control characters and line breaks: a foreign message may contain terminal commands, or fake lines of output. */
function inOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escapeCharacter);
}

/**
 * Escapes control characters in a JSON text. Line breaks between values are kept. Line breaks inside values are already
 * escaped.
 */
function printable(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (character) =>
    character === '\n' ? character : escapeCharacter(character),
  );
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function timeOf(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms).toISOString() : String(ms);
}

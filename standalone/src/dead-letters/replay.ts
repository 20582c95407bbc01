import type { Database } from '@voucher-gateway/platform/database';
import type { DeadLetter } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { textLengthOf } from '@voucher-gateway/platform/topics/handle';
import { parkMessage, readConsumerGroups } from '@voucher-gateway/platform/topics/parked-messages';
import { idOf } from './print.ts';

export interface Replayed {
  id: string;
  group: string;
  /** Why it can't be replayed to its group. */
  fault?: string;
}

export interface Replay {
  add(letter: DeadLetter): void;
  /** Parks the added messages for their groups, which retry them at once. Idempotent. */
  run(): Promise<Replayed[]>;
}

/** Maximum number of messages per command, because they are kept in memory. */
const atMost = 10_000;
const maxCharacters = 100_000_000;
const largestPartition = 2 ** 31 - 1;

/**
 * Replays dead letters to the group that could not handle them, and to no other. Each is parked once, as the message that
 * it was in its topic.
 */
export async function createReplay({ query }: Database): Promise<Replay> {
  const groups = new Set((await readConsumerGroups(query)).map(({ topic, group }) => `${topic} ${group}`));
  const letters: DeadLetter[] = [];
  let characters = 0;
  let left = 0;

  const replay = async (letter: DeadLetter): Promise<string | undefined> => {
    const { key, value, headers } = letter;
    const of = (name: string) => headers[`dead-letter-${name}`];
    const [topic, group] = [of('topic'), of('group')];
    const [partition, position] = [Number(of('partition')), Number(of('position'))];
    const publishedAt = Number(of('published-at') ?? letter.publishedAt);
    // A foreign message may have any text here, and the database accepts only these numbers.
    const isPlace =
      [partition, position, publishedAt].every(Number.isSafeInteger) && partition >= 0 && partition <= largestPartition;
    if (!topic || !group || !isPlace) return 'its headers do not tell where it comes from';
    if (of('cut')) return 'only its beginning was kept';
    if (!groups.has(`${topic} ${group}`)) return `no service on this database consumes ${topic} as ${group}`;
    const own = Object.entries(headers).filter(([name]) => !name.startsWith('dead-letter-'));
    const raw = { key, value, headers: Object.fromEntries(own), partition, position, publishedAt };
    const error = new Error('it was in dead-letter, and is tried again');
    await parkMessage(query, { topic, group, ...raw, error, isReplay: true });
    return undefined;
  };

  return {
    add(letter) {
      const length = textLengthOf(letter);
      if (letters.length >= atMost || characters + length > maxCharacters) {
        left += 1;
        return;
      }
      characters += length;
      letters.push(letter);
    },
    async run() {
      const replayed: Replayed[] = [];
      for (const letter of letters) {
        const fault = await replay(letter);
        replayed.push({ id: idOf(letter), group: letter.headers['dead-letter-group'] ?? '?', ...(fault && { fault }) });
      }
      if (left > 0)
        replayed.push({ id: `${left} more`, group: '', fault: `a command tries ${atMost} or 100 MB again at most` });
      return replayed;
    },
  };
}

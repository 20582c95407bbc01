import type { Database } from '@voucher-gateway/platform/database';
import type { DeadLetter } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { textLengthOf } from '@voucher-gateway/platform/topics/message';
import { parkMessage, readConsumerGroups } from '@voucher-gateway/platform/topics/parked-messages';
import { idOf } from './letter-id.ts';

export interface Replayed {
  id: string;
  group: string;
  /** Why the message can't be replayed to its group; absent if it can. */
  fault?: string;
}

export interface Replay {
  add(letter: DeadLetter): void;
  /**
   * Parks the added messages: stores them in the database, from which their consumer groups retry them immediately.
   * Idempotent.
   */
  run(): Promise<Replayed[]>;
}

/** Maximum number of messages per command, because they are kept in memory. */
const atMost = 10_000;
const maxCharacters = 100_000_000;
/** Maximum number of messages that are reported by id as not replayable. Further messages are only counted. */
const namedAtMost = 1_000;
const largestPartition = 2 ** 31 - 1;

/**
 * Whether a text can be the name of a group or topic. In Kafka, names of groups have at most 255 characters. Names of
 * topics are shorter.
 */
function isName(text: string | undefined): text is string {
  return text !== undefined && text !== '' && text.length <= 255;
}

type ParkedLetter = Parameters<typeof parkMessage>[1];

/**
 * Creates the replay of dead letters. Each dead letter is stored in the database once, with its original content. Only
 * the consumer group that could not handle the message retries it.
 */
export async function createReplay({ query }: Database): Promise<Replay> {
  const groups = new Set((await readConsumerGroups(query)).map(({ topic, group }) => `${topic} ${group}`));
  const added: (Replayed & { parked?: ParkedLetter })[] = [];
  let [replayable, unnamed, left, characters] = [0, 0, 0, 0];

  /** Returns the original message of a dead letter, or the reason why it can't be replayed. */
  const toParked = ({ key, value, headers, ...letter }: DeadLetter): ParkedLetter | string => {
    const of = (name: string) => headers[`dead-letter-${name}`];
    const [topic, group] = [of('topic'), of('group')];
    const [partition, position] = [Number(of('partition')), Number(of('position'))];
    const publishedAt = Number(of('published-at') ?? letter.publishedAt);
    // A foreign producer may write any text into these headers. The database accepts only numbers, and only in the
    // ranges that are checked below.
    const isPlace =
      [partition, position, publishedAt].every(Number.isSafeInteger) && partition >= 0 && partition <= largestPartition;
    if (!isName(topic) || !isName(group) || !isPlace) return 'its headers do not name its topic, group and position';
    if (of('cut')) return 'only its beginning was kept';
    if (!groups.has(`${topic} ${group}`)) return `no service on this database consumes ${topic} as ${group}`;
    const own = Object.entries(headers).filter(([name]) => !name.startsWith('dead-letter-'));
    const raw = { key, value, headers: Object.fromEntries(own), partition, position, publishedAt };
    const error = new Error('it was in dead-letter, and is tried again');
    return { topic, group, ...raw, error, isReplay: true };
  };

  return {
    add(letter) {
      const parked = toParked(letter);
      if (typeof parked === 'string') {
        if (added.length - replayable < namedAtMost) added.push({ id: idOf(letter), group: '?', fault: parked });
        else unnamed += 1;
        return;
      }
      const length = textLengthOf(letter);
      if (replayable >= atMost || characters + length > maxCharacters) {
        left += 1;
        return;
      }
      replayable += 1;
      characters += length;
      added.push({ id: idOf(letter), group: parked.group, parked });
    },
    async run() {
      for (const { parked } of added) if (parked) await parkMessage(query, parked);
      const replayed: Replayed[] = added.map(({ parked, ...each }) => each);
      if (unnamed > 0) replayed.push({ id: `${unnamed} more`, group: '', fault: 'they can not be replayed either' });
      if (left > 0)
        replayed.push({ id: `${left} more`, group: '', fault: `a command tries ${atMost} or 100 MB again at most` });
      return replayed;
    },
  };
}

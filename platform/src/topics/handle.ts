import { codedCause } from '../errors.ts';
import type { Log } from '../log.ts';
import { createRepeatedLines } from '../repeated-lines.ts';
import type { Slots } from '../slots.ts';
import type { Handler, Message, Topic } from '../topics.ts';
import { attemptUntilDone, persist } from './attempt.ts';
import { causeOf } from './cause.ts';
import type { ConsumerLimits } from './consumer-limits.ts';
import { type BuriedMessage, fitDeadLetter } from './dead-letter.ts';
import type { Parking } from './parking.ts';
import { decodeValue } from './wire.ts';

/** A message as it came, before its value was checked. */
export interface RawMessage {
  key: string;
  /** JSON, as far as its publisher kept his word. */
  value: string;
  headers: Readonly<Record<string, string>>;
  partition: number;
  position: number;
  publishedAt: number;
}

/** A checked message. Throws CodedError TOPIC_VALUE_INVALID. */
export function checkedMessage<Value>(topic: Topic<Value>, raw: RawMessage): Message<Value> {
  const { key, headers, partition, position, publishedAt } = raw;
  const value = decodeValue(topic, raw.value);
  return { topic: topic.name, key, value, headers, partition, position, publishedAt, textLength: textLengthOf(raw) };
}

export function textLengthOf({ key, value, headers }: RawMessage): number {
  let length = key.length + value.length;
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0);
  return length;
}

export interface MessageHandlerOptions<Value> {
  topic: Topic<Value>;
  group: string;
  handler: Handler<Value>;
  log: Log;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  /** One per message that runs. One that waits for its next attempt has none. */
  slots: Slots;
  limits: ConsumerLimits;
  /** Without one nothing is parked: what fails is retried for ever. */
  parking?: Parking;
  /** Stores a message in the topic's dead-letter. */
  bury(message: BuriedMessage): Promise<void>;
  /** Called when more messages than may be would go to dead-letter in a row. The consumer is to stop. */
  onTooManyBuried(error: unknown): void;
}

export interface MessageHandler {
  /**
   * Handles a message of the topic until it is finished: handled, parked, or in dead-letter.
   *
   * @param isOver aborts when the message is not this member's any more
   * @returns false when the consumer stopped, or it was over, first
   */
  handle(raw: RawMessage, finishedThrough: () => number, isOver?: AbortSignal): Promise<boolean>;
  /** Handles a parked message once, and throws what the handler throws. */
  handleParked(raw: RawMessage): Promise<void>;
  /** Sends a message to dead-letter, with why. */
  bury(raw: RawMessage, error: unknown): Promise<void>;
}

/** What every adapter does with a message of a group, whatever comes of it. */
export function createMessageHandler<Value>(options: MessageHandlerOptions<Value>): MessageHandler {
  const { topic, group, handler, log, signal, slots, limits, parking } = options;
  let buriedInARow: number | undefined;
  const lines = createRepeatedLines(log);

  const withSlot = async (work: () => Promise<void>): Promise<void> => {
    await slots.take(signal);
    try {
      await work();
    } finally {
      slots.release();
    }
  };
  const bury = (raw: RawMessage, error: unknown) => {
    const { code, message } = codedCause(error) ?? causeOf(error);
    return options.bury(
      fitDeadLetter(raw, {
        'dead-letter-error': code,
        'dead-letter-message': message,
        'dead-letter-topic': topic.name,
        'dead-letter-group': group,
        'dead-letter-partition': String(raw.partition),
        'dead-letter-position': String(raw.position),
        'dead-letter-published-at': String(raw.publishedAt),
      }),
    );
  };
  const park = async (raw: RawMessage, error: unknown, fields: object): Promise<boolean> => {
    try {
      if (!(await parking?.park(raw, error))) return false;
      lines.error('parked', { error, ...fields }, 'a message is parked: it has failed for too long');
      return true;
    } catch (parkError) {
      // The database may be what fails. The message stays where it is.
      log.debug({ error: parkError, ...fields }, 'a message could not be parked yet');
      return false;
    }
  };

  const noteStopped = (hasStopped: boolean, fields: object) =>
    parking
      ?.noteStopped(hasStopped)
      .catch((error: unknown) => log.debug({ error, ...fields }, 'that a consumer stopped could not be noted'));

  return {
    async handle(raw, finishedThrough, isOver = signal) {
      const fields = { topic: topic.name, group, partition: raw.partition, position: raw.position };
      const work = () =>
        withSlot(async () => {
          isOver.throwIfAborted();
          if (await parking?.parkBehind(raw)) return;
          await handler(checkedMessage(topic, raw), { signal, finishedThrough });
          buriedInARow = 0;
          if (parking?.hasStopped) await noteStopped(false, fields);
        });
      const result = await attemptUntilDone(work, {
        signal: isOver,
        lines,
        fields,
        giveUp: async (error, failingForMs) => failingForMs >= limits.parkAfterMs && (await park(raw, error, fields)),
      });
      if (result.outcome !== 'failed') return result.outcome !== 'stopped';
      const { error } = result;
      // Whoever restarts a consumer that has stopped has it bury one more at most.
      buriedInARow = 1 + (buriedInARow ?? (parking?.hasStopped ? limits.maxBuriedInARow - 1 : 0));
      if (buriedInARow > limits.maxBuriedInARow) {
        await noteStopped(true, fields);
        options.onTooManyBuried(error);
        return false;
      }
      log.error({ error, ...fields }, 'a message goes to dead-letter');
      return persist(() => withSlot(() => bury(raw, error)), {
        signal: isOver,
        log,
        fields,
        failing: 'dead-letter can not be written',
      });
    },
    handleParked: (raw) => handler(checkedMessage(topic, raw), { signal, finishedThrough: () => 0 }),
    bury,
  };
}

import { retryEverySecond } from '../async/retry.ts';
import type { Semaphore } from '../async/semaphore.ts';
import { codedCause, isCodedError, type PlatformErrorCode } from '../errors.ts';
import type { Log } from '../process/log.ts';
import { createRepeatedLines } from '../process/repeated-lines.ts';
import type { Handler, Topic } from '../topics.ts';
import { attemptUntilDone } from './attempt.ts';
import { causeOf } from './cause.ts';
import { maxValueBytes } from './codec.ts';
import type { ConsumerLimits } from './consumer-limits.ts';
import { type BuriedMessage, fitDeadLetter } from './dead-letter.ts';
import { checkMessage, type RawMessage } from './message.ts';
import type { GroupStop } from './parked-messages.ts';
import type { Parking } from './parking.ts';

export interface MessageHandlerOptions<Value> {
  topic: Topic<Value>;
  group: string;
  handler: Handler<Value>;
  log: Log;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  /** One permit per running message. A message that waits for its next attempt has none. */
  semaphore: Semaphore;
  limits: ConsumerLimits;
  /**
   * Stores a message that fails for long in the database, so that later messages can be handled. Without `parking`, the
   * message is retried forever, and later messages of its key wait.
   */
  parking?: Parking;
  /** Stores a message in the topic's dead-letter topic. */
  bury(message: BuriedMessage): Promise<void>;
  /** Called when too many messages in a row would go to the dead-letter topic. The consumer must stop. */
  onTooManyBuried(error: unknown): void;
}

export interface MessageHandler {
  /**
   * Processes a message until it is finished: handled, parked, or in the dead-letter topic.
   *
   * @param isOver aborts when the partition is revoked
   * @returns false if the consumer stopped, or `isOver` aborted, before the message was finished
   */
  handle(raw: RawMessage, finishedThrough: () => number, isOver?: AbortSignal): Promise<boolean>;
  /** Handles a parked message once, and rethrows the handler's error. */
  handleParked(raw: RawMessage): Promise<void>;
  /** Sends a message to the dead-letter topic, with the error. */
  bury(raw: RawMessage, error: unknown): Promise<void>;
}

/**
 * Creates the message handler of a consumer. Both adapters use it. The message handler retries or parks messages that
 * fail, or sends them to the dead-letter topic.
 */
export function createMessageHandler<Value>(options: MessageHandlerOptions<Value>): MessageHandler {
  const { topic, group, handler, log, signal, semaphore, limits, parking } = options;
  let buriedInARow: number | undefined;
  const lines = createRepeatedLines(log);

  const withPermit = async (work: () => Promise<void>): Promise<void> => {
    await semaphore.acquire(signal);
    try {
      await work();
    } finally {
      semaphore.release();
    }
  };
  const bury = async (raw: RawMessage, error: unknown): Promise<void> => {
    const { code, message } = codedCause(error) ?? causeOf(error);
    const about = {
      'dead-letter-error': code,
      'dead-letter-message': message,
      'dead-letter-topic': topic.name,
      'dead-letter-group': group,
      'dead-letter-partition': String(raw.partition),
      'dead-letter-position': String(raw.position),
      'dead-letter-published-at': String(raw.publishedAt),
    };
    // A dead-letter topic may have a size limit below `maxValueBytes`. The limit for the value is therefore halved
    // until the broker accepts the message.
    let maxBytes = Math.min(maxValueBytes, Buffer.byteLength(raw.value));
    for (;;) {
      try {
        return await options.bury(fitDeadLetter(raw, about, maxBytes));
      } catch (refusal) {
        if (maxBytes === 0 || !isCodedError<PlatformErrorCode>(refusal, 'TOPIC_VALUE_TOO_LARGE')) throw refusal;
        maxBytes = Math.floor(maxBytes / 2);
      }
    }
  };
  const park = async (raw: RawMessage, error: unknown, fields: object): Promise<boolean> => {
    try {
      if (!(await parking?.park(raw, error))) return false;
      lines.error('parked', { error, ...fields }, 'a message is parked: it has failed for too long');
      return true;
    } catch (parkError) {
      // Parking fails if the database itself fails. The consumer then continues to retry the message.
      log.debug({ error: parkError, ...fields }, 'a message could not be parked yet');
      return false;
    }
  };

  const noteStop = (stop: GroupStop, fields: object) =>
    parking
      ?.noteStop(stop)
      .catch((error: unknown) => log.debug({ error, ...fields }, 'the stop of a consumer could not be stored'));

  /**
   * Returns the number of dead letters in a row with which this consumer starts to count, usually 0. If the group
   * stopped at the limit, the number is one below that limit. The consumer then stops again after one more dead letter.
   */
  const buriedBefore = () => {
    if (!parking?.stop.hasStopped) return 0;
    return Math.min(parking.stop.stoppedAfter ?? limits.maxBuriedInARow, limits.maxBuriedInARow) - 1;
  };

  return {
    async handle(raw, finishedThrough, isOver = signal) {
      const fields = { topic: topic.name, group, partition: raw.partition, position: raw.position };
      const work = () =>
        withPermit(async () => {
          isOver.throwIfAborted();
          if (await parking?.parkIfKeyParked(raw)) return;
          await handler(checkMessage(topic, raw), { signal, finishedThrough });
          buriedInARow = 0;
          if (parking?.stop.hasStopped) await noteStop({ hasStopped: false, stoppedAfter: null }, fields);
        });
      const result = await attemptUntilDone(work, {
        signal: isOver,
        lines,
        fields,
        giveUp: async (error, failingForMs) => failingForMs >= limits.parkAfterMs && (await park(raw, error, fields)),
      });
      if (result.outcome !== 'failed') return result.outcome !== 'stopped';
      const { error } = result;
      buriedInARow = 1 + (buriedInARow ?? buriedBefore());
      if (buriedInARow > limits.maxBuriedInARow) {
        await noteStop({ hasStopped: true, stoppedAfter: limits.maxBuriedInARow }, fields);
        options.onTooManyBuried(error);
        return false;
      }
      log.error({ error, ...fields }, 'a message goes to dead-letter');
      return retryEverySecond(() => withPermit(() => bury(raw, error)), {
        signal: isOver,
        log,
        fields,
        failing: 'dead-letter can not be written',
      });
    },
    // The function is async, so that it rejects, and does not throw, for a message that does not parse.
    handleParked: async (raw) => handler(checkMessage(topic, raw), { signal, finishedThrough: () => 0 }),
    bury,
  };
}

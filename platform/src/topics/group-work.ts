import { createSemaphore } from '../async/semaphore.ts';
import type { ConsumeOptions } from '../topics.ts';
import { createConsumerFailures } from './consumer-failures.ts';
import { defaultConsumerLimits } from './consumer-limits.ts';
import { type GroupContext, reportStopped } from './group-context.ts';
import { createMessageHandler, type MessageHandler, type MessageHandlerOptions } from './message-handler.ts';
import { createParking } from './parking.ts';
import { retryParked } from './retry-parked.ts';

export interface GroupWorkOptions<Value>
  extends Pick<ConsumeOptions<Value>, 'topic' | 'group' | 'handler' | 'concurrency'>,
    GroupContext,
    Pick<MessageHandlerOptions<Value>, 'bury'> {
  /** Aborts when the consumer stops. */
  stop: AbortController;
  /** Called when the consumer must stop because too many messages in a row would go to the dead-letter topic. */
  onStopped(): void;
}

/** The part of a consumer that both adapters share: handling, retrying and parking messages. */
export interface GroupWork extends Pick<MessageHandler, 'handle'> {
  /** Limit of messages per partition in memory. */
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
  /** Returns the lower of `position` and the position before the oldest parked message; see `Parking.hold`. */
  hold(partition: number, position: number): number;
  /** Reads which messages are parked. Called before the first message of a partition. */
  refreshParked(): Promise<void>;
  /** Retries parked messages until the consumer stops. */
  retryParked(): Promise<void>;
  /** Clears the report that the consumer stopped. */
  clearFailure(): void;
}

export function createGroupWork<Value>({
  topic,
  group,
  handler,
  concurrency = 64,
  database,
  limits = defaultConsumerLimits,
  failures = createConsumerFailures(),
  bury,
  stop,
  onStopped,
  log,
}: GroupWorkOptions<Value>): GroupWork {
  const fields = { topic: topic.name, group };
  const parking = database && createParking({ database, ...fields, maxParked: limits.maxParked });
  const messages = createMessageHandler({
    topic,
    group,
    handler,
    log,
    signal: stop.signal,
    semaphore: createSemaphore(concurrency),
    limits,
    parking,
    bury,
    onTooManyBuried(error) {
      // Only the first of several concurrently handled messages reports the stop.
      if (stop.signal.aborted) return;
      reportStopped({ failures, reader: stop, log, fields, error });
      onStopped();
    },
  });
  return {
    handle: messages.handle,
    maxHeld: Math.max(limits.maxHeld, 2 * concurrency),
    maxHeldBytes: limits.maxHeldBytes,
    hold: (partition, position) => parking?.hold(partition, position) ?? position,
    refreshParked: async () => parking?.refresh(),
    retryParked: async () =>
      parking &&
      retryParked({
        parking,
        handle: messages.handleParked,
        bury: messages.bury,
        keepParkedMs: limits.keepParkedMs,
        signal: stop.signal,
        log,
      }),
    clearFailure: () => failures.clear(stop),
  };
}

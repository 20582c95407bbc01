import { createSlots } from '../slots.ts';
import type { ConsumeOptions } from '../topics.ts';
import { createConsumerFailures } from './consumer-failures.ts';
import { defaultConsumerLimits } from './consumer-limits.ts';
import { type GroupContext, reportStopped } from './group-context.ts';
import { createMessageHandler, type MessageHandler, type MessageHandlerOptions } from './handle.ts';
import { createParking } from './parking.ts';
import { retryParked } from './retry-parked.ts';

export interface GroupWorkOptions<Value>
  extends Pick<ConsumeOptions<Value>, 'topic' | 'group' | 'handler' | 'concurrency'>,
    GroupContext,
    Pick<MessageHandlerOptions<Value>, 'bury'> {
  /** Aborts when the consumer stops. */
  stop: AbortController;
  /** Called when the consumer is to stop, because nearly all that it reads would go to dead-letter. */
  onStopped(): void;
}

/** What every adapter does for a consumer of a group, wherever its messages and positions are. */
export interface GroupWork extends Pick<MessageHandler, 'handle'> {
  /** Messages of a partition that may be in memory at most. */
  readonly maxHeld: number;
  readonly maxHeldBytes: number;
  /** The position through which everything is finished, what is parked counted as unfinished; see `Parking.hold`. */
  hold(partition: number, position: number): number;
  /** Looks what is parked; called before the first message of a partition. */
  refreshParked(): Promise<void>;
  /** Retries what is parked, until the consumer stops. */
  retryParked(): Promise<void>;
  /** Forgets that the consumer stopped. */
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
    slots: createSlots(concurrency),
    limits,
    parking,
    bury,
    onTooManyBuried(error) {
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

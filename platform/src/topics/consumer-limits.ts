import { z } from 'zod';
import { duration, durationOrOff, integer } from '../process/config.ts';

/** Settings for messages that consumers can't handle. */
export const consumerSettings = {
  PARK_AFTER: duration('5m', { max: '24h' }).describe(
    'A valid message that fails for this long is parked: the service retries it from a table, and consumes its partition further',
  ),
  MAX_PARKED: integer(10_000, { min: 0, max: 10_000_000 }).describe(
    'Limit of parked messages per consumer group and topic; beyond it a message is retried in place, and its partition may stall',
  ),
  PARKED_RETENTION: durationOrOff('off').describe(
    'A parked message that still fails after this time goes to dead-letter; with `off` it is retried forever',
  ),
  MAX_BURIED_IN_A_ROW: integer(100, { min: 1, max: 1_000_000 }).describe(
    'A consumer that would send more than this many messages in a row to dead-letter stops, and its service is not live',
  ),
  MAX_HELD_MESSAGES: integer(1_000, { min: 1, max: 1_000_000 }).describe(
    'Limit of messages per partition in a consumer, including finished ones after an unfinished one',
  ),
  MAX_HELD_BYTES: integer(8_388_608, { min: 1_024, max: 1_073_741_824 }).describe(
    'Limit of bytes of unfinished messages per partition in a consumer; one batch may exceed it',
  ),
};

const schema = z.object(consumerSettings);
type ConsumerConfig = Readonly<z.output<typeof schema>>;

/** Limits of a consumer in a group. */
export interface ConsumerLimits {
  /**
   * Time in milliseconds for which a message may fail before it is parked. A message that is itself at fault is not
   * parked.
   */
  parkAfterMs: number;
  /** Limit of parked messages per group and topic. */
  maxParked: number;
  /**
   * A parked message that still fails after this time goes to the dead-letter topic. In milliseconds; with Infinity it
   * stays parked.
   */
  keepParkedMs: number;
  /** Limit of messages in a row that go to the dead-letter topic. The consumer stops before it would send one more. */
  maxBuriedInARow: number;
  /** Limit of messages per partition in memory. Finished messages that follow an unfinished message also count. */
  maxHeld: number;
  /** Limit of bytes of unfinished messages per partition; one batch may exceed it. */
  maxHeldBytes: number;
  /**
   * Time limit in milliseconds for a consumer or tail to join its group while the broker responds. After it, the
   * consumer or tail is reported as stuck.
   */
  joinWithinMs: number;
}

export function consumerLimitsOf(config: ConsumerConfig): Omit<ConsumerLimits, 'joinWithinMs'> {
  return {
    parkAfterMs: config.PARK_AFTER,
    maxParked: config.MAX_PARKED,
    keepParkedMs: config.PARKED_RETENTION,
    maxBuriedInARow: config.MAX_BURIED_IN_A_ROW,
    maxHeld: config.MAX_HELD_MESSAGES,
    maxHeldBytes: config.MAX_HELD_BYTES,
  };
}

/** The limits that apply without settings. */
export const defaultConsumerLimits: ConsumerLimits = { ...consumerLimitsOf(schema.parse({})), joinWithinMs: 60_000 };

import { z } from 'zod';
import { duration, durationOrOff, integer } from '../config.ts';

/** Settings of what consumers do with messages that they can't handle. */
export const consumerSettings = {
  PARK_AFTER: duration('5m', { max: '24h' }).describe(
    'A message that fails for this long, by a fault that is not its own, is parked: it is retried from a table, and its partition goes on',
  ),
  MAX_PARKED: integer(10_000, { min: 0, max: 10_000_000 }).describe(
    'Parked messages of a consumer group and topic at most; beyond that a message is retried where it is, and its partition waits in the end',
  ),
  PARKED_RETENTION: durationOrOff('off').describe(
    'A parked message that still fails after this time goes to dead-letter; with `off` it is retried for as long as it takes',
  ),
  MAX_BURIED_IN_A_ROW: integer(100, { min: 1, max: 1_000_000 }).describe(
    'A consumer that would send more messages than this to dead-letter in a row stops, and its service is not live',
  ),
  MAX_HELD_MESSAGES: integer(1_000, { min: 1, max: 1_000_000 }).describe(
    'Messages of one partition that a consumer holds at most, those included that are finished after one that is not',
  ),
  MAX_HELD_BYTES: integer(8_388_608, { min: 1_024, max: 1_073_741_824 }).describe(
    'The same in bytes of those that are not finished, with one batch more at most',
  ),
};

const schema = z.object(consumerSettings);
type ConsumerConfig = Readonly<z.output<typeof schema>>;

/** What bounds a consumer of a group. */
export interface ConsumerLimits {
  /** A message that fails for this long, by a fault that is not its own, is parked. Milliseconds. */
  parkAfterMs: number;
  /** Parked messages of a group and topic at most. */
  maxParked: number;
  /** A parked message that still fails after this time goes to dead-letter. Milliseconds; Infinity: it stays parked. */
  keepParkedMs: number;
  /** Messages that go to dead-letter in a row at most: one more stops the consumer. */
  maxBuriedInARow: number;
  /** Messages of a partition in memory at most, finished ones after an unfinished one included. */
  maxHeld: number;
  /** Bytes of a partition's unfinished messages at most, with one batch more. */
  maxHeldBytes: number;
  /** A consumer or tail that is in no group for this long, while the broker answers, fails. Milliseconds. */
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

/** The limits where nothing is set. */
export const defaultConsumerLimits: ConsumerLimits = { ...consumerLimitsOf(schema.parse({})), joinWithinMs: 60_000 };

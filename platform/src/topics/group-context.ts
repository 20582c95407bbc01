import type { Database } from '../database.ts';
import type { Log } from '../process/log.ts';
import type { ConsumerFailures } from './consumer-failures.ts';
import type { ConsumerLimits } from './consumer-limits.ts';

/** The collaborators that each adapter passes to its consumers. */
export interface GroupContext {
  /** The database for parked messages. */
  database?: Database;
  /** Default: `defaultConsumerLimits`. */
  limits?: ConsumerLimits;
  /** Receives the failures of consumers that are stuck. */
  failures?: ConsumerFailures;
  log: Log;
}

/** Reports that a consumer stops because too many messages in a row would go to the dead-letter topic. */
export function reportStopped({
  failures,
  reader,
  log,
  fields,
  error,
}: {
  failures: ConsumerFailures;
  log: Log;
  reader: object;
  fields: { topic: string; group: string };
  error: unknown;
}): void {
  const code = 'CONSUMER_STOPPED';
  const message = 'The consumer stopped: too many messages in a row would have gone to dead-letter.';
  failures.set(reader, { code, ...fields, message });
  log.error({ code, error, ...fields }, message);
}

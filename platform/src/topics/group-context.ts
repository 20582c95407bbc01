import type { Database } from '../database.ts';
import type { Log } from '../log.ts';
import type { ConsumerFailures } from './consumer-failures.ts';
import type { ConsumerLimits } from './consumer-limits.ts';

/** What every adapter gives its consumers. */
export interface GroupContext {
  /** Where messages are parked. */
  database?: Database;
  /** Default: as the settings have it. */
  limits?: ConsumerLimits;
  /** Where it reports that it can't go on. */
  failures?: ConsumerFailures;
  log: Log;
}

/** Says that a consumer stops, because nearly all that it reads would go to dead-letter. */
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

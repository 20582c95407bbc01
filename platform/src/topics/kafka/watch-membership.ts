import type { Log } from '../../log.ts';
import { pause } from '../attempt.ts';
import type { ConsumerFailures } from '../consumer-failures.ts';
import type { KafkaClient } from './client.ts';

export interface WatchMembershipOptions {
  client: Pick<KafkaClient, 'ping'>;
  /** Whether the consumer is in its group now. */
  isJoined(): boolean;
  /** Time without a group, while the broker answers, after which it fails. */
  joinWithinMs: number;
  failures: ConsumerFailures;
  fields: { topic: string; group?: string };
  signal: AbortSignal;
  log: Log;
}

const longestStepMs = 5_000;

/**
 * Reports a consumer that is not in its group for a while though the broker answers: kafkajs may have come to an end that
 * only a restart helps against. Time in which the broker does not answer does not count, and neither does that in which
 * this process was frozen.
 */
export async function watchMembership(options: WatchMembershipOptions): Promise<void> {
  const { client, isJoined, joinWithinMs, failures, fields, signal, log } = options;
  const stepMs = Math.min(longestStepMs, joinWithinMs / 4);
  let missedForMs = 0;
  let isReported = false;
  const forget = () => {
    missedForMs = 0;
    isReported = false;
    failures.clear(options);
  };
  while (!signal.aborted) {
    await pause(stepMs, signal);
    const answers =
      !isJoined() &&
      (await client.ping().then(
        () => true,
        () => false,
      ));
    if (!answers || isJoined() || signal.aborted) {
      forget();
      continue;
    }
    missedForMs += stepMs;
    if (missedForMs < joinWithinMs || isReported) continue;
    isReported = true;
    const code = 'CONSUMER_NOT_JOINED';
    const message = 'The consumer is not in its group, though the broker answers.';
    failures.set(options, { code, ...fields, message });
    log.error({ code, missedForMs, ...fields }, message);
  }
}

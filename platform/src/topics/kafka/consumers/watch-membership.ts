import { pause } from '../../../async/pause.ts';
import type { Log } from '../../../process/log.ts';
import type { ConsumerFailures } from '../../consumer-failures.ts';
import type { KafkaClient } from '../connection/client.ts';

export interface WatchMembershipOptions {
  client: Pick<KafkaClient, 'ping'>;
  /** Whether the consumer is in its group now. */
  isJoined(): boolean;
  /** A consumer without a group is reported after this time, if the broker responds. */
  joinWithinMs: number;
  failures: ConsumerFailures;
  fields: { topic: string; group?: string };
  signal: AbortSignal;
  log: Log;
}

const longestStepMs = 5_000;

/**
 * Reports a consumer that has been without its group for too long although the broker responds: kafkajs may be stuck,
 * and only a restart helps. The time does not count while the broker is down or this process is frozen.
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
    const message = 'The consumer is not in its group, although the broker answers.';
    failures.set(options, { code, ...fields, message });
    log.error({ code, missedForMs, ...fields }, message);
  }
}

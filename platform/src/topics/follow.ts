import { pause } from '../async/pause.ts';
import { isRetryable } from '../errors.ts';
import type { Log } from '../process/log.ts';
import type { Tail, TailOptions, Topics } from '../topics.ts';

const retryEveryMs = 1_000;

/**
 * Starts a tail at the end of the topic, for a caller that can work without the tail. While no broker responds, the
 * start is retried every second.
 *
 * @param onStart called when the tail has started; the tail does not read earlier messages
 */
export async function followTopic<Value>(
  topics: Topics,
  { onStart = () => {}, log, ...options }: Omit<TailOptions<Value>, 'from'> & { onStart?(): void; log: Log },
): Promise<AsyncDisposable> {
  const stop = new AbortController();
  let tail: Tail | undefined;
  const start = async () => {
    tail = await topics.tail({ ...options, from: 'now' });
    if (stop.signal.aborted) await tail[Symbol.asyncDispose]();
    else onStart();
  };
  const keepTrying = async () => {
    while (!stop.signal.aborted && !tail) {
      await pause(retryEveryMs, stop.signal);
      if (!stop.signal.aborted)
        await start().catch((error: unknown) => log.debug({ error }, 'a topic can not be followed yet'));
    }
  };
  try {
    await start();
  } catch (error) {
    if (!isRetryable(error)) throw error;
    log.warn({ error, topic: options.topic.name }, 'a topic is followed once a broker answers');
    void keepTrying();
  }
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await tail?.[Symbol.asyncDispose]();
    },
  };
}

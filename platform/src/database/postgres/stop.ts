import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../../async/deadline.ts';
import type { Log } from '../../process/log.ts';
import { type ConnectionOptions, isAnswerLost, OutageClient } from './client.ts';

const askEveryMs = 1_000;
const answerWithinMs = 2_000;

/**
 * Returns a signal that aborts when the process stops and the database does not answer. Statements can't finish without
 * a database, and a stop has no time to wait. As long as the database answers, the stop waits for statements as usual.
 *
 * @param stopping aborts when the process begins to stop
 */
export function abandonWhenSilent(
  connection: ConnectionOptions,
  { stopping, log }: { stopping: AbortSignal; log: Log },
): { signal: AbortSignal } & Disposable {
  const abandoned = new AbortController();
  const disposed = new AbortController();
  const watch = async () => {
    while (!disposed.signal.aborted) {
      if (!(await answers(connection))) {
        if (disposed.signal.aborted) return;
        log.warn({}, 'the database does not answer: the stop does not wait for it');
        abandoned.abort();
        return;
      }
      await sleep(askEveryMs, undefined, { ref: false, signal: disposed.signal }).catch(() => {});
    }
  };
  stopping.addEventListener('abort', () => void watch(), { once: true, signal: disposed.signal });
  return { signal: abandoned.signal, [Symbol.dispose]: () => disposed.abort() };
}

/**
 * Checks on a new connection whether the database answers, because all connections of the pool may be in use. An error
 * of the server counts as an answer.
 */
async function answers(connection: ConnectionOptions): Promise<boolean> {
  const client = new OutageClient(connection);
  try {
    await within(
      answerWithinMs,
      client.connect().then(() => client.query('select 1')),
    );
    return true;
  } catch (error) {
    return !isAnswerLost((error as Error).cause ?? error);
  } finally {
    client.destroy();
  }
}

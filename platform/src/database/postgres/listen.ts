import pg from 'pg';
import { pause } from '../../async/pause.ts';
import type { Log } from '../../process/log.ts';
import { OutageClient } from './client.ts';

const askEveryMs = 5_000;
const answerWithinMs = 5_000;

/**
 * Closes an idle connection once the database no longer answers on it. A check is needed, because a dead connection
 * looks like a connection without notifications.
 */
function closeWhenSilent(client: OutageClient): void {
  const ask = () => {
    client.queryWithin(answerWithinMs, 'select 1').catch(() => client.destroy());
  };
  const timer = setInterval(ask, askEveryMs).unref();
  client.once('end', () => clearInterval(timer));
}

/**
 * Listens on a dedicated connection, which is reopened when it is lost. Notifications are missed until it is reopened.
 */
export async function listenOn({
  connection,
  channel,
  onNotify,
  log,
  signal,
}: {
  connection: pg.ClientConfig;
  channel: string;
  onNotify(payload: string): void;
  log: Log;
  signal: AbortSignal;
}): Promise<AsyncDisposable> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([stop.signal, signal]);
  let client: OutageClient | undefined;
  const open = async () => {
    const opened = new OutageClient(connection);
    opened.on('notification', ({ payload }) => onNotify(payload ?? ''));
    opened.on('error', () => {});
    const ended = new Promise<void>((resolve) => opened.once('end', resolve));
    client = opened;
    try {
      await opened.connect();
      await opened.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      opened.destroy();
      throw error;
    }
    closeWhenSilent(opened);
    // The promise is wrapped in an object, because an async function would await a returned promise.
    return { ended };
  };
  let connected = await open();
  const keepOpen = (async () => {
    for (let attempt = 0; ; ) {
      await connected.ended;
      if (stopped.aborted) return;
      await pause(Math.min(100 * 2 ** attempt, 2_000), stopped);
      if (stopped.aborted) return;
      try {
        connected = await open();
        attempt = 0;
      } catch (error) {
        attempt += 1;
        log.debug({ error, channel }, 'listening to the database failed; it is retried');
        connected = { ended: Promise.resolve() };
      }
    }
  })();
  const close = async () => {
    stop.abort();
    await client?.close();
    await keepOpen;
  };
  signal.addEventListener('abort', () => void close());
  return { [Symbol.asyncDispose]: close };
}

import pg from 'pg';
import type { Log } from '../log.ts';
import { pause } from '../topics/attempt.ts';
import { OutageClient } from './postgres-client.ts';

const askEveryMs = 5_000;
const answerWithinMs = 5_000;

/**
 * Closes a connection on which nothing is asked for long once the database does not answer on it any more:
 * a silent one looks like one on which nothing happens.
 */
function closeWhenSilent(client: OutageClient): void {
  const ask = () => {
    client.queryWithin(answerWithinMs, 'select 1').catch(() => client.destroy());
  };
  const timer = setInterval(ask, askEveryMs).unref();
  client.once('end', () => clearInterval(timer));
}

/** Listens on a connection of its own, made again whenever it is lost: a notification in between is missed. */
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
    // Wrapped, because an async function waits for a promise that it returns.
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
        log.debug({ error, channel }, 'the database can not be listened to; it is tried again');
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

import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { SupergraphSource } from './supergraph-source.ts';

export interface WatchSupergraphOptions {
  source: SupergraphSource;
  /** The supergraph that the gateway serves at the start. */
  served: string;
  /** Switches to another supergraph. Rejects if that supergraph can't be served. */
  reload(supergraphSdl: string): Promise<void>;
  log: Log;
  /** Interval at which the source is polled. */
  intervalMs: number;
}

/**
 * Reloads the supergraph when its source has changed. Files are polled. Polling works for mounted files, and for files
 * that are replaced by a rename.
 *
 * If the source can't be read, or the supergraph can't be served, the previous one stays in use. A supergraph that
 * can't be served is not retried until it changes. On SIGHUP the source is read immediately, and a supergraph that
 * failed is retried.
 */
export function watchSupergraph(options: WatchSupergraphOptions): AsyncDisposable {
  const { source, reload, log, intervalMs } = options;
  let { served } = options;
  let tried = served;
  const lines = createRepeatedLines(log, { everyMs: 60_000 });
  const stop = new AbortController();
  const { signal } = stop;
  let running = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  const read = async (isForced: boolean): Promise<string | null> => {
    try {
      return await source.read({ isForced, signal });
    } catch (error) {
      if (!signal.aborted)
        lines.warn(
          'read',
          { error, supergraph: source.name },
          'the supergraph could not be read; the previous one stays in use',
        );
      return null;
    }
  };
  const look = async (isForced: boolean) => {
    const sdl = await read(isForced);
    if (signal.aborted || sdl === null || sdl === served || (sdl === tried && !isForced)) return;
    tried = sdl;
    try {
      await reload(sdl);
      served = sdl;
    } catch (error) {
      log.error({ error, supergraph: source.name }, 'the supergraph can not be served; the previous one stays in use');
    }
  };
  const poll = () => {
    timer = setTimeout(() => {
      running = running.then(() => look(false)).then(() => void (signal.aborted || poll()));
    }, intervalMs);
  };
  const onSighup = () => {
    running = running.then(() => look(true));
  };
  poll();
  process.on('SIGHUP', onSighup);
  return {
    async [Symbol.asyncDispose]() {
      process.off('SIGHUP', onSighup);
      clearTimeout(timer);
      stop.abort();
      await running;
    },
  };
}

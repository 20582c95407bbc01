import type { Log } from '@voucher-gateway/platform/log';
import { createRepeatedLines } from '@voucher-gateway/platform/repeated-lines';
import type { SupergraphSource } from './supergraph-source.ts';

export interface WatchSupergraphOptions {
  source: SupergraphSource;
  /** What is served already. */
  served: string;
  /** Serves another; rejects for one that can't be served. */
  reload(supergraphSdl: string): Promise<void>;
  log: Log;
  /** How often the source is read. */
  intervalMs: number;
}

/**
 * Has a supergraph served anew whenever its source has changed. A file is polled, too: one that is mounted from
 * elsewhere, or replaced by a rename, is seen all the same.
 *
 * While the source can't be read, the supergraph before goes on. So it does for one that can't be served, which is not
 * tried again until it changes. SIGHUP reads at once, and tries again.
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
          'the supergraph could not be read; the one before goes on',
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
      log.error({ error, supergraph: source.name }, 'the supergraph can not be served; the one before goes on');
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

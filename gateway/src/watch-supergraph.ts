import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Log } from '@voucher-gateway/platform/log';

export interface WatchSupergraphOptions {
  file: string;
  /** What is served already. */
  served: string;
  /** Serves another; rejects for one that can't be served. */
  reload(supergraphSdl: string): Promise<void>;
  log: Log;
  /** How often the file is looked at. Default: 1 s. */
  intervalMs?: number;
}

/**
 * Has a supergraph served anew whenever its file has changed, and on SIGHUP. The file is polled: one that is mounted
 * from elsewhere, or replaced by a rename, is seen all the same. A supergraph that can't be served is logged, and the
 * one before goes on.
 */
export function watchSupergraph({
  file,
  served,
  reload,
  log,
  intervalMs = 1_000,
}: WatchSupergraphOptions): AsyncDisposable {
  let current = served;
  let running = Promise.resolve();
  const look = () => {
    running = running.then(async () => {
      try {
        const sdl = await readFile(file, 'utf8');
        if (sdl === current) return;
        await reload(sdl);
        current = sdl;
      } catch (error) {
        log.error({ error, file }, 'the supergraph can not be served; the one before goes on');
      }
    });
  };
  watchFile(file, { interval: intervalMs }, look);
  process.on('SIGHUP', look);
  return {
    async [Symbol.asyncDispose]() {
      unwatchFile(file, look);
      process.off('SIGHUP', look);
      await running;
    },
  };
}

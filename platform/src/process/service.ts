import type { z } from 'zod';
import { type CommonConfig, type Environment, readConfig, readEnvironment, shutdownDelayMs } from './config.ts';
import { run, type Service } from './lifecycle.ts';
import { createLog, type Log } from './log.ts';

/**
 * Runs the process of a service: reads its settings, starts it, and runs it until SIGINT or SIGTERM.
 *
 * @param settings the schema of the service's settings, or a function that derives the schema from the environment
 * @param start opens the engines and creates the service. It registers the engines in the stack `releases`, which is
 *   disposed after the service. `stopping` aborts when the stop begins
 */
export function runService<Config extends CommonConfig>(
  name: string,
  settings: z.ZodType<Config> | ((environment: Environment) => Promise<z.ZodType<Config>>),
  start: (
    config: Readonly<Config>,
    log: Log,
    releases: AsyncDisposableStack,
    stopping: AbortSignal,
  ) => Promise<Service>,
): Promise<void> {
  return run(
    async () => {
      const environment = readEnvironment();
      const schema = typeof settings === 'function' ? await settings(environment) : settings;
      const config = readConfig(schema, environment);
      const log = createLog({ level: config.LOG_LEVEL, service: name });
      const stopping = new AbortController();
      await using releases = new AsyncDisposableStack();
      const { url, retire, stopWithinMs } = releases.use(await start(config, log, releases, stopping.signal));
      log.info({ url }, 'ready');
      const owned = releases.move();
      return {
        retire,
        shutdownDelayMs: shutdownDelayMs(config),
        stopWithinMs,
        [Symbol.asyncDispose]() {
          stopping.abort();
          return owned.disposeAsync();
        },
      };
    },
    { log: createLog({ level: 'info', service: name }) },
  );
}

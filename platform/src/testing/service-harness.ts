import { type Clock, systemClock } from '../async/clock.ts';
import type { Migrations } from '../database.ts';
import type { KeyValue } from '../key-value.ts';
import type { Service } from '../process/lifecycle.ts';
import type { Topic } from '../topics.ts';
import type { TestEngines, TestEnginesOptions } from './engines.ts';
import { createMemoryLog } from './log.ts';
import { collectMessages, type TopicsOf } from './topic-messages.ts';

export interface ServiceHarnessOptions<Engines extends TestEngines, Config, Running extends Service> {
  /** Opens the engines that the service needs, with or without jobs. */
  openEngines(options: TestEnginesOptions): Promise<Engines>;
  create(collaborators: Engines & { config: Config }): Promise<Running>;
  config: Config;
  /** Migrations that the test's database gets before the service starts. Default: none. */
  migrations?: Migrations[];
  clock?: Clock;
  /**
   * Operations of the key-value store that are replaced for the service. The test itself still uses the original
   * operations. A change has an effect at the service's next start.
   */
  keyValue?: Partial<KeyValue>;
  limits?: TestEnginesOptions['limits'];
  /** Whether the harness starts a process of the service immediately. Default: true. */
  started?: boolean;
}

/**
 * Opens a service on a new embedded database, with topics and a key-value store. No other service runs: the test itself
 * sends their messages. Use it with `await using`.
 */
export async function openServiceHarness<Engines extends TestEngines, Config, Running extends Service>({
  openEngines,
  create,
  config,
  migrations,
  clock = systemClock,
  keyValue,
  limits,
  started = true,
}: ServiceHarnessOptions<Engines, Config, Running>) {
  await using releases = new AsyncDisposableStack();
  const log = createMemoryLog();
  const engines = releases.use(await openEngines({ migrations, clock, log, limits }));
  const processes = releases.use(new AsyncDisposableStack());
  const start = async () =>
    processes.use(await create({ ...engines, keyValue: { ...engines.keyValue, ...keyValue }, config }));
  let service = started ? await start() : null;
  const owned = releases.move();
  return {
    log,
    engines,
    /** The process that `start` started last. */
    get service() {
      if (!service) throw new Error('the service was not started');
      return service;
    },
    get url() {
      return this.service.url;
    },
    /** Starts a process, which becomes `service`. */
    async start() {
      service = await start();
    },
    /** Stops the process, and starts another one on the same engines. */
    async restart() {
      await service?.[Symbol.asyncDispose]();
      service = await start();
    },
    /** Starts another process beside `service`, and returns it. */
    startAnother: start,
    async publish<Value>(topic: Topic<Value>, ...values: Value[]) {
      await engines.database.transaction(async (tx) => {
        for (const value of values) await engines.topics.publish(tx, topic, value);
      });
    },
    /** Collects the messages that are published to these topics from now on. */
    collect: async <Values extends unknown[]>(...topics: TopicsOf<Values>) =>
      owned.use(await collectMessages<Values>(engines.topics, ...topics)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

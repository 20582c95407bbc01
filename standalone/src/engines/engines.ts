import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openKeyFile } from '@voucher-gateway/platform/secrets/key-file';
import { type KafkaEngine, startKafka } from './kafka.ts';
import { type PostgresEngine, startPostgres } from './postgres.ts';
import { type RedisEngine, startRedis } from './redis.ts';

/** PostgreSQL, Redis and Kafka as local processes. */
export interface Engines extends AsyncDisposable {
  readonly postgres: PostgresEngine;
  readonly redis: RedisEngine;
  readonly kafka: KafkaEngine;
  /** Settings for services: `DATABASE_URL`, `REDIS_URL`, `KAFKA_BROKERS`, `SECRETS_KEY`. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts the three engines concurrently.
 *
 * @param folder folder for the data and logs of the engines
 * @param libraries folder of Kafka's jars
 * @throws CodedError ENGINE_MISSING, with the command that installs the missing engine
 */
export async function startEngines({
  folder,
  libraries = resolve('.data/engines/kafka-libraries'),
  onReady = () => {},
  standardPorts = true,
}: {
  folder: string;
  libraries?: string;
  onReady?(name: string, detail: string): void;
  /**
   * If true, an engine uses its standard port, or another port if that is in use. Otherwise it uses any free port.
   * Default: true.
   */
  standardPorts?: boolean;
}): Promise<Engines> {
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(libraries, '..'), { recursive: true });
  const port = (standard: number) => (standardPorts ? standard : 0);
  await using releases = new AsyncDisposableStack();
  const starting = [
    startPostgres({ folder, port: port(5_432) }).then((engine) => {
      releases.use(engine);
      onReady('PostgreSQL', engine.url);
      return engine;
    }),
    startRedis({ folder, port: port(6_379) }).then((engine) => {
      releases.use(engine);
      onReady('Redis', engine.url);
      return engine;
    }),
    startKafka({ folder, libraries, port: port(9_092) }).then((engine) => {
      releases.use(engine);
      onReady('Kafka', engine.brokers);
      return engine;
    }),
  ] as const;
  // All starts are awaited even if one fails, so that all engines can be stopped.
  await Promise.allSettled(starting);
  const [postgres, redis, kafka] = await Promise.all(starting);
  const owned = releases.move();
  return {
    postgres,
    redis,
    kafka,
    environment: {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      KAFKA_BROKERS: kafka.brokers,
      SECRETS_KEY: await readSecretsKey(folder),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Returns the key that encrypts secrets in the engines' database. The key is a file in this folder, created on first use.
 */
export async function readSecretsKey(folder: string): Promise<string> {
  return (await openKeyFile(folder)).toString('base64');
}

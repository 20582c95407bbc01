import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { platformMigrations } from '../database/migrations.ts';
import { openPostgres, type PostgresDatabase } from '../database/postgres/postgres.ts';
import { type Log, silentLog } from '../process/log.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    engines: { DATABASE_URL: string; REDIS_URL: string; KAFKA_BROKERS: string };
  }
}

/** Returns the addresses of PostgreSQL, Redis and Kafka. vitest.config.ts starts these servers only for some suites. */
export function realEngines() {
  const engines = inject('engines');
  if (!engines) throw new Error('this file needs real engines: add it to `onRealEngines` in vitest.config.ts');
  return engines;
}

/** Creates a database for one test. Disposing drops it. */
export async function createRealDatabase(): Promise<{ url: string } & AsyncDisposable> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = async (text: string) => {
    const client = new pg.Client({ connectionString: realEngines().DATABASE_URL });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  await admin(`create database ${name}`);
  const url = new URL(realEngines().DATABASE_URL);
  url.pathname = `/${name}`;
  return { url: url.href, [Symbol.asyncDispose]: () => admin(`drop database if exists ${name} with (force)`) };
}

/** Opens a database for one test, with the tables of the adapters. */
export async function openRealDatabase({
  log = silentLog,
}: {
  log?: Log;
} = {}): Promise<PostgresDatabase & { url: string; another(): Promise<PostgresDatabase> }> {
  await using releases = new AsyncDisposableStack();
  const { url } = releases.use(await createRealDatabase());
  const database = releases.use(await openPostgres({ url, log }));
  await database.migrate(platformMigrations);
  const owned = releases.move();
  return Object.assign(Object.create(database), {
    url,
    another: async () => owned.use(await openPostgres({ url, log })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  });
}

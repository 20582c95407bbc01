import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../process/log.ts';
import { openRealDatabase } from '../../testing/real-engines.ts';
import { openPostgres } from './postgres.ts';

/** Opens a database twice: through a pool with one connection, and through another pool. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const direct = releases.use(await openRealDatabase());
  await direct.query.execute(sql`create table note (text text, number integer)`);
  const database = releases.use(await openPostgres({ url: direct.url, log: silentLog, poolSize: 1 }));
  const owned = releases.move();
  const find = (number: number) => sql`select text from note where number = ${number}`;
  return {
    direct,
    database,
    find: (number: number) => database.query.execute(find(number)),
    findInTransaction: (number: number) => database.transaction((tx) => tx.execute(find(number))),
    /** Texts of the statements that are prepared on the connection. */
    kept: async () =>
      (await database.query.execute<{ statement: string }>(sql`select statement from pg_prepared_statements`)).rows.map(
        ({ statement }) => statement,
      ),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('statements on PostgreSQL', () => {
  it('are kept by the connection, in and outside of transactions', async () => {
    await using set = await setUp();
    for (const number of [1, 2]) {
      await set.find(number);
      await set.findInTransaction(number);
    }
    expect(await set.kept()).toEqual(['select text from note where number = $1']);
  });

  it('with a list of parameters are not kept: each length has another text', async () => {
    await using set = await setUp();
    const numbers = Array.from({ length: 30 }, (_, index) => index);
    await set.database.query.execute(sql`select text from note where number in ${numbers}`);
    expect(await set.kept()).toEqual([]);
  });

  it('are limited in number', async () => {
    await using set = await setUp();
    for (let index = 0; index < 310; index += 1)
      await set.database.query.execute(sql`select ${sql.raw(String(index))} from note where number = ${1}`);
    expect(await set.kept()).toHaveLength(300);
  });

  it('fail once, as an outage, when a migration has changed their result', async () => {
    await using set = await setUp();
    const { direct, find, findInTransaction } = set;
    await findInTransaction(1);
    await direct.query.execute(sql`alter table note alter text type varchar(10)`);
    await expect(findInTransaction(1)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true });
    await findInTransaction(1);
    await direct.query.execute(sql`alter table note alter text type text`);
    await expect(find(1)).rejects.toMatchObject({ cause: { code: 'DATABASE_UNAVAILABLE', retryable: true } });
    await find(1);
  });
});

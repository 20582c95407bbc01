import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import type { Database } from '../../database.ts';
import { codedCause } from '../../errors.ts';

/** What every adapter of the database port must do. */
export function databaseContract(open: () => Promise<Database>): void {
  it('commits a transaction that resolves and rolls one back that throws', async () => {
    await using database = await open();
    await database.query.execute(sql`create table note (text text)`);
    await database.transaction((tx) => tx.execute(sql`insert into note values ('kept')`));
    const failing = database.transaction(async (tx) => {
      await tx.execute(sql`insert into note values ('lost')`);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect((await database.query.execute(sql`select text from note`)).rows).toEqual([{ text: 'kept' }]);
  });

  it('refuses any other use of the database inside a transaction with NESTED_DATABASE_USE', async () => {
    await using database = await open();
    const refused = { code: 'NESTED_DATABASE_USE' };
    await database.transaction(async () => {
      expect(() => database.query).toThrow(expect.objectContaining(refused));
      await expect((async () => database.transaction(async () => {}))()).rejects.toMatchObject(refused);
    });
    await database.query.execute(sql`select 1`);
  });

  it('fails with DATABASE_UNAVAILABLE, retryable, when the disk is full', async () => {
    await using database = await open();
    const statement = sql`do $$ begin raise exception 'no space left on device' using errcode = '53100'; end $$`;
    const expected = { code: 'DATABASE_UNAVAILABLE', retryable: true, message: "The database's disk is full." };
    const codedErrorOf = (failing: Promise<unknown>) => failing.then(() => null, codedCause);
    expect(await codedErrorOf(database.query.execute(statement))).toMatchObject(expected);
    expect(await codedErrorOf(database.transaction((tx) => tx.execute(statement)))).toMatchObject(expected);
    await database.query.execute(sql`select 1`);
  });

  it('tells listeners of a notification once its transaction has committed', async () => {
    await using database = await open();
    const heard = Promise.withResolvers<string>();
    await using _listening = await database.listen('news', heard.resolve);
    await database.transaction((tx) => tx.execute(sql`select pg_notify('news', 'hello')`));
    expect(await heard.promise).toBe('hello');
  });
}

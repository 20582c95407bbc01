import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { openTestDatabase } from '../testing/database.ts';

it('commits a transaction that resolves and rolls one back that throws', async () => {
  await using database = await openTestDatabase();
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
  await using database = await openTestDatabase();
  const refused = { code: 'NESTED_DATABASE_USE' };
  await database.transaction(async () => {
    expect(() => database.query).toThrow(expect.objectContaining(refused));
    expect(() => database.transaction(async () => {})).toThrow(expect.objectContaining(refused));
    expect(() => database.client.query('select 1')).toThrow(expect.objectContaining(refused));
  });
  await database.query.execute(sql`select 1`);
});

it('tells listeners of a notification once its transaction has committed', async () => {
  await using database = await openTestDatabase();
  const heard = Promise.withResolvers<string>();
  await using _listening = await database.listen('news', heard.resolve);
  await database.transaction((tx) => tx.execute(sql`select pg_notify('news', 'hello')`));
  expect(await heard.promise).toBe('hello');
});

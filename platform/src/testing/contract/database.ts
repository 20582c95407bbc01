import { sql } from 'drizzle-orm';
import { bigint, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { expect, it } from 'vitest';
import { isAnyId, rowsOf } from '../../database/rows.ts';
import type { Database } from '../../database.ts';
import { codedCause } from '../../errors.ts';

/** Tests for every adapter of the database port. */
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

  it('rejects other use of the database inside a transaction (NESTED_DATABASE_USE)', async () => {
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

  it('notifies listeners once the transaction has committed', async () => {
    await using database = await open();
    const heard = Promise.withResolvers<string>();
    await using _listening = await database.listen('news', heard.resolve);
    await database.transaction((tx) => tx.execute(sql`select pg_notify('news', 'hello')`));
    expect(await heard.promise).toBe('hello');
  });

  it('inserts rows from one parameter like rows from values', async () => {
    await using database = await open();
    await database.query.execute(
      sql`create table entry (id uuid, size bigint, at timestamptz, about jsonb, note text default 'none', number bigint)`,
    );
    const entry = pgTable('entry', {
      id: uuid().notNull(),
      size: bigint({ mode: 'number' }),
      at: timestamp({ withTimezone: true, precision: 3, mode: 'date' }),
      about: jsonb().$type<{ tags: string[] }>(),
      note: text().default(sql`'none'`),
      number: bigint({ mode: 'number' }),
    });
    const rows = [
      {
        id: '00000000-0000-4000-8000-000000000001',
        size: Number.MAX_SAFE_INTEGER,
        at: new Date(1),
        about: { tags: ['a"b\\'] },
      },
      { id: '00000000-0000-4000-8000-000000000002', size: null, at: null, about: null },
    ];
    const number = sql`coalesce(input.size, 0) - 1`;
    const stored = await database.query
      .insert(entry)
      .select(rowsOf(entry, rows, { number }))
      .returning();
    expect(stored).toEqual([
      { ...rows[0], note: 'none', number: Number.MAX_SAFE_INTEGER - 1 },
      { ...rows[1], note: 'none', number: -1 },
    ]);
    const ids = rows.map(({ id }) => id);
    expect(await database.query.select().from(entry).where(isAnyId(entry.id, ids)).orderBy(entry.id)).toEqual(stored);
    expect(await database.query.select().from(entry).where(isAnyId(entry.id, []))).toEqual([]);
  });

  it('stores a replacement character for half a character', async () => {
    await using database = await open();
    await database.query.execute(sql`create table cut (note text)`);
    const cut = pgTable('cut', { note: text() });
    const [row] = await database.query
      .insert(cut)
      .select(rowsOf(cut, [{ note: '😀'.slice(0, 1) }]))
      .returning();
    expect(row).toEqual({ note: '\ufffd' });
  });
}

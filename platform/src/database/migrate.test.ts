import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { openTestDatabase } from '../testing/database.ts';

/** A folder of migrations as drizzle-kit makes it: SQL by name, in order. */
async function migrationsFolder(files: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'migrations-'));
  await mkdir(join(folder, 'meta'));
  const entries = Object.keys(files).map((tag, idx) => ({ idx, version: '7', when: idx + 1, tag, breakpoints: true }));
  await writeFile(
    join(folder, 'meta', '_journal.json'),
    JSON.stringify({ version: '7', dialect: 'postgresql', entries }),
  );
  for (const [tag, text] of Object.entries(files)) await writeFile(join(folder, `${tag}.sql`), text);
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

it('applies each migration once, whoever calls it how often', async () => {
  await using database = await openTestDatabase();
  await using first = await migrationsFolder({ '0000_note': 'create table shop.note (text text)' });
  const migrate = (folder: string) => database.migrate({ schema: 'shop', folder });
  await Promise.all([migrate(first.folder), migrate(first.folder)]);
  await using second = await migrationsFolder({
    '0000_note': 'create table shop.note (text text)',
    '0001_day': 'alter table shop.note add column day date',
  });
  await migrate(second.folder);
  await database.query.execute(sql`insert into shop.note (text, day) values ('a', now())`);
});

it('keeps contexts in one database apart: each has its schema and its bookkeeping', async () => {
  await using database = await openTestDatabase();
  await using shop = await migrationsFolder({ '0000_note': 'create table shop.note (text text)' });
  await using bank = await migrationsFolder({ '0000_note': 'create table bank.account (text text)' });
  await database.migrate({ schema: 'shop', folder: shop.folder });
  await database.migrate({ schema: 'bank', folder: bank.folder });
  // People find the tables without a prefix.
  expect((await database.query.execute(sql`select count(*)::int as n from note`)).rows).toEqual([{ n: 0 }]);
  expect((await database.query.execute(sql`select count(*)::int as n from account`)).rows).toEqual([{ n: 0 }]);
});

it('leaves nothing of a migration that fails', async () => {
  await using database = await openTestDatabase();
  await using broken = await migrationsFolder({
    '0000_note': 'create table shop.note (text text)',
    '0001_broken': 'create table nonsense',
  });
  await expect(database.migrate({ schema: 'shop', folder: broken.folder })).rejects.toThrow();
  const { rows } = await database.query.execute(sql`select 1 from pg_namespace where nspname = 'shop'`);
  expect(rows).toEqual([]);
});

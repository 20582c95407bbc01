import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { openTestDatabase } from '../testing/database.ts';
import { migrationsFolder } from '../testing/migrations-folder.ts';

it('migrations: are applied once each, however often they run', async () => {
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

it('migrations: are recorded per context, each in its own schema', async () => {
  await using database = await openTestDatabase();
  await using shop = await migrationsFolder({ '0000_note': 'create table shop.note (text text)' });
  await using bank = await migrationsFolder({ '0000_note': 'create table bank.account (text text)' });
  await database.migrate({ schema: 'shop', folder: shop.folder });
  await database.migrate({ schema: 'bank', folder: bank.folder });
  // Operators can name the tables without the schema.
  expect((await database.query.execute(sql`select count(*)::int as n from note`)).rows).toEqual([{ n: 0 }]);
  expect((await database.query.execute(sql`select count(*)::int as n from account`)).rows).toEqual([{ n: 0 }]);
});

it('migrations: are rolled back if one fails', async () => {
  await using database = await openTestDatabase();
  await using broken = await migrationsFolder({
    '0000_note': 'create table shop.note (text text)',
    '0001_broken': 'create table nonsense',
  });
  await expect(database.migrate({ schema: 'shop', folder: broken.folder })).rejects.toThrow();
  const { rows } = await database.query.execute(sql`select 1 from pg_namespace where nspname = 'shop'`);
  expect(rows).toEqual([]);
});

import { sql } from 'drizzle-orm';
import { jsonb, pgSchema, text } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { createTestClock } from '../async/clock.ts';
import { openTestDatabase } from '../testing/database.ts';
import { createMemoryLog } from '../testing/log.ts';
import { createTestSecrets } from '../testing/secrets.ts';
import { startSealing } from './seal-secrets.ts';
import { assertReadable, isAnySealed, type SealedColumn } from './sealed-columns.ts';
import { createPlainBox } from './secret-box.ts';

const schema = pgSchema('sealing');
const texts = schema.table('texts', { id: text().primaryKey(), secret: text().notNull() });
const objects = schema.table('objects', { id: text().primaryKey(), secret: jsonb().notNull() });
const columns: SealedColumn[] = [
  { table: texts, id: texts.id, column: texts.secret, purpose: 'texts' },
  { table: objects, id: objects.id, column: objects.secret, purpose: 'objects' },
];

async function setUp() {
  const database = await openTestDatabase();
  await database.query.execute(sql`create schema sealing`);
  await database.query.execute(sql`create table sealing.texts (id text primary key, secret text not null)`);
  await database.query.execute(sql`create table sealing.objects (id text primary key, secret jsonb not null)`);
  const log = createMemoryLog();
  const clock = createTestClock();
  const read = async () => {
    const rows = [...(await database.query.select().from(texts)), ...(await database.query.select().from(objects))];
    return rows.map(({ secret }) => secret);
  };
  return {
    database,
    log,
    clock,
    read,
    start: (box = createTestSecrets()) => startSealing({ database, clock, log, box, columns }),
    /** Resolves when all secrets, except `others` of them, are encrypted with the first key. */
    async whenSealed(box = createTestSecrets(), others = 0) {
      clock.jump(600_000);
      await expect
        .poll(async () => (await read()).filter((secret) => !String(secret).startsWith(box.prefix)).length)
        .toBe(others);
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

describe('sealing', () => {
  it('sealing: a service without a key seals nothing, until it has one', async () => {
    await using ctx = await setUp();
    await ctx.database.query.insert(texts).values({ id: 'row', secret: 'whsec_abc' });
    {
      await using _plain = ctx.start(createPlainBox());
      ctx.clock.jump(600_000);
    }
    expect(await ctx.read()).toEqual(['whsec_abc']);
    await using _sealing = ctx.start();
    await ctx.whenSealed();
  });

  it('sealing: encrypts rows in the clear, in batches, and jsonb as well', async () => {
    await using ctx = await setUp();
    const box = createTestSecrets();
    const ids = Array.from({ length: 450 }, (_, index) => `row-${index}`);
    await ctx.database.query.insert(texts).values(ids.map((id) => ({ id, secret: `whsec_${id}` })));
    await ctx.database.query.insert(objects).values({ id: 'key', secret: { kty: 'OKP', d: 'private' } });
    await using _sealing = ctx.start();
    await ctx.whenSealed();
    for (const { id, secret } of await ctx.database.query.select().from(texts))
      expect(box.open(secret, { purpose: 'texts', id })).toBe(`whsec_${id}`);
    const [object] = await ctx.database.query.select().from(objects);
    expect(JSON.parse(box.open(object?.secret as string, { purpose: 'objects', id: 'key' }))).toEqual({
      kty: 'OKP',
      d: 'private',
    });
    await assertReadable(ctx.database, box, columns);
  });

  it('sealing: encrypts again what an older key encrypted, which is then not needed', async () => {
    await using ctx = await setUp();
    const use = { purpose: 'texts', id: 'a' };
    await ctx.database.query.insert(texts).values({ id: 'a', secret: createTestSecrets(1).seal('secret', use) });
    await expect(assertReadable(ctx.database, createTestSecrets(2), columns)).rejects.toMatchObject({
      code: 'SECRETS_KEY_WRONG',
      message: expect.stringContaining('texts'),
    });
    const both = createTestSecrets(2, 1);
    await assertReadable(ctx.database, both, columns);
    await using _sealing = ctx.start(both);
    await ctx.whenSealed(both);
    await assertReadable(ctx.database, createTestSecrets(2), columns);
    const [row] = await ctx.database.query.select().from(texts);
    expect(createTestSecrets(2).open(row?.secret ?? '', use)).toBe('secret');
  });

  it('sealing: skips a secret that was altered, does not change it, and logs it', async () => {
    await using ctx = await setUp();
    const altered = createTestSecrets(2).seal('secret', { purpose: 'texts', id: 'another row' });
    await ctx.database.query.insert(texts).values([
      { id: 'a', secret: altered },
      { id: 'b', secret: 'whsec_b' },
    ]);
    await using _sealing = ctx.start(createTestSecrets(1, 2));
    await ctx.whenSealed(createTestSecrets(1), 1);
    expect(await ctx.read()).toContain(altered);
    await expect.poll(() => ctx.log.text).toContain('secrets can not be decrypted');
    expect(ctx.log.text).not.toContain('whsec_b');
  });

  it('isAnySealed: returns whether the database needs a key', async () => {
    await using ctx = await setUp();
    await ctx.database.query.insert(texts).values({ id: 'a', secret: 'whsec_a' });
    expect(await isAnySealed(ctx.database, columns)).toBe(false);
    await using _sealing = ctx.start();
    await ctx.whenSealed();
    expect(await isAnySealed(ctx.database, columns)).toBe(true);
  });
});

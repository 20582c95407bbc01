import { randomUUID } from 'node:crypto';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { codesOf, listVouchers, startTestVoucherService } from './testing/voucher-service.ts';

interface Page {
  edges: { node: { id: string } }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
}

describe('purchasedVouchers', () => {
  it('purchasedVouchers: pages the feed once, in order, both ways, by any size', async () => {
    await using ctx = await startTestVoucherService();
    const codes = await ctx.receive(...Array.from({ length: 7 }, () => ({})), { phoneNumber: '+84911111111' });
    const ids = codes.slice(0, 7).map((code) => code.id);
    for (const size of [1, 2, 3, 7, 100]) {
      const forwards: string[] = [];
      for (let after: string | null = null, more = true; more; ) {
        const { edges, pageInfo }: Page = (await ctx.post(listVouchers, { first: size, after })).data
          ?.purchasedVouchers;
        forwards.push(...edges.map((edge) => edge.node.id));
        expect(pageInfo.hasPreviousPage).toBe(after !== null);
        after = pageInfo.endCursor;
        more = pageInfo.hasNextPage;
      }
      expect(forwards).toEqual(ids);
      const backwards: string[] = [];
      for (let before: string | null = null, more = true; more; ) {
        const { edges, pageInfo }: Page = (await ctx.post(listVouchers, { last: size, before })).data
          ?.purchasedVouchers;
        backwards.unshift(...edges.map((edge) => edge.node.id));
        expect(pageInfo.hasNextPage).toBe(before !== null);
        before = pageInfo.startCursor;
        more = pageInfo.hasPreviousPage;
      }
      expect(backwards).toEqual(ids);
    }
  });

  it('purchasedVouchers: returns 20 by default, applies filters, and allows no rows', async () => {
    await using ctx = await startTestVoucherService();
    expect((await ctx.post(listVouchers)).data?.purchasedVouchers).toMatchObject({
      edges: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
    const codes = await ctx.receive(
      ...Array.from({ length: 21 }, (_, day) => ({ receivedAt: new Date(Date.UTC(2026, 0, day + 1)).toISOString() })),
    );
    const page = (await ctx.post(listVouchers)).data?.purchasedVouchers;
    expect(page.nodes).toHaveLength(20);
    expect(page.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const filtered = async (filter: object) =>
      (await ctx.post(listVouchers, { filter })).data?.purchasedVouchers.nodes.map(
        (node: { code: string }) => node.code,
      );
    expect(await filtered({ code: codes[3]?.code })).toEqual([codes[3]?.code]);
    expect(await filtered({ receivedFrom: '2026-01-05T00:00:00Z', receivedTo: '2026-01-07T00:00:00Z' })).toEqual([
      codes[4]?.code,
      codes[5]?.code,
    ]);
    expect(await filtered({ code: 'none' })).toEqual([]);
  });

  it.each([
    ['a negative first', { first: -1 }, 'BAD_USER_INPUT'],
    ['a first over 100', { first: 101 }, 'BAD_USER_INPUT'],
    ['a last over 100', { last: 101 }, 'BAD_USER_INPUT'],
    ['first with last', { first: 1, last: 1 }, 'BAD_USER_INPUT'],
    ['an after that is no cursor', { after: 'nonsense' }, 'CURSOR_INVALID'],
    ['a before of no voucher', { before: encodeCursor('nonsense') }, 'CURSOR_INVALID'],
    ['an after of no voucher', { after: encodeCursor(randomUUID()) }, 'CURSOR_INVALID'],
    ['a receivedFrom that is no time', { filter: { receivedFrom: 'yesterday' } }, 'BAD_USER_INPUT'],
    ['a receivedFrom in year 0', { filter: { receivedFrom: '0000-01-01T00:00:00Z' } }, 'BAD_USER_INPUT'],
    ['a receivedTo after year 9999', { filter: { receivedTo: '9999-12-31T23:59:59-23:59' } }, 'BAD_USER_INPUT'],
  ])('purchasedVouchers: rejects %s', async (_what, variables, code) => {
    await using ctx = await startTestVoucherService();
    expect(codesOf(await ctx.post(listVouchers, variables))).toEqual([code]);
  });

  it("purchasedVouchers: rejects a cursor of another user's feed", async () => {
    await using ctx = await startTestVoucherService();
    const [theirs] = await ctx.receive({ phoneNumber: '+84911111111' });
    expect(codesOf(await ctx.post(listVouchers, { after: encodeCursor(theirs?.id ?? '') }))).toEqual([
      'CURSOR_INVALID',
    ]);
  });

  it('purchasedVouchers: reports the position up to which the topic is stored', async () => {
    await using ctx = await startTestVoucherService();
    await ctx.receive(
      ...Array.from({ length: 30 }, (_, index) => ({ phoneNumber: index % 2 ? ctx.ann.phoneNumber : '+84911111111' })),
    );
    const { storedThrough } = (await ctx.post(listVouchers)).data?.purchasedVouchers;
    const { rows } = await ctx.engines.database.query.execute(
      sql`select id from platform.topic_message order by id desc limit 1`,
    );
    expect(storedThrough).toContainEqual({
      topic: 'receive-code',
      partition: 0,
      position: String(rows[0]?.id),
    });
  });
});

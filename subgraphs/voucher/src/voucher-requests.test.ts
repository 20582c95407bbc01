import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { storeAcknowledgements } from './consume-acknowledgements.ts';
import { startTestVoucherService } from './testing/voucher-service.ts';

const query = `query ($first: Int, $after: String) {
  voucherRequests(first: $first, after: $after) {
    nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

describe('voucherRequests', () => {
  it("voucherRequests: pages the user's own, newest first", async () => {
    await using ctx = await startTestVoucherService();
    const ids: string[] = [];
    for (let request = 0; request < 3; request += 1) {
      ids.unshift(((await ctx.request()).data?.requestVoucher as { id: string }).id);
      ctx.clock.advance(1_000);
    }
    const bob = await ctx.issuer.user();
    const first = (await ctx.post(query, { first: 2 })).data?.voucherRequests;
    expect(first.nodes).toEqual(ids.slice(0, 2).map((id) => ({ id })));
    expect(first.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: first.edges[0].cursor,
      endCursor: first.edges[1].cursor,
    });
    const second = (await ctx.post(query, { first: 2, after: first.pageInfo.endCursor })).data?.voucherRequests;
    expect(second).toMatchObject({
      nodes: [{ id: ids[2] }],
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    });
    expect((await ctx.post(query, {}, bob)).data?.voucherRequests.nodes).toEqual([]);
    expect((await ctx.post(query, { after: first.pageInfo.endCursor }, bob)).errors).toMatchObject([
      { extensions: { code: 'CURSOR_INVALID', argument: 'after' } },
    ]);
  });

  it('voucherRequests: lists requests of the same millisecond once each', async () => {
    await using ctx = await startTestVoucherService();
    for (let request = 0; request < 5; request += 1) await ctx.request();
    await ctx.engines.database.query.execute(
      sql`update voucher.voucher_request set requested_at = '2026-01-31T12:00:00Z'`,
    );
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const { nodes, pageInfo }: { nodes: { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } = (
        await ctx.post(query, { first: 2, after })
      ).data?.voucherRequests;
      seen.push(...nodes.map(({ id }) => id));
      after = pageInfo.endCursor;
      if (!pageInfo.hasNextPage) break;
    }
    expect([seen.length, new Set(seen).size]).toEqual([5, 5]);
  });

  it.each([
    ['a negative size', { first: -1 }, 'BAD_USER_INPUT'],
    ['a size over 100', { first: 101 }, 'BAD_USER_INPUT'],
    ['a cursor that is none', { after: 'nonsense' }, 'CURSOR_INVALID'],
    ['the cursor of an empty feed', { after: 'djE6' }, 'CURSOR_INVALID'],
  ])('voucherRequests: rejects %s', async (_what, variables, code) => {
    await using ctx = await startTestVoucherService();
    expect((await ctx.post(query, variables)).errors).toMatchObject([{ extensions: { code } }]);
  });
});

describe('steps', () => {
  const steps = async (ctx: Awaited<ReturnType<typeof startTestVoucherService>>, id: string) =>
    (await ctx.post('query ($id: ID!) { voucherRequest(id: $id) { steps { name at } } }', { id })).data?.voucherRequest
      .steps as { name: string; at: string }[];

  it('steps: are set by the outcome, in order', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    expect((await steps(ctx, id)).map(({ name }) => name)).toEqual(['ACCEPTED']);
    await ctx.receive({
      requestId: id,
      askedAt: '2026-01-31T12:00:00.100Z',
      acknowledgedAt: '2026-01-31T12:00:03.000Z',
      receivedAt: '2026-01-31T12:00:09.000Z',
    });
    expect((await steps(ctx, id)).slice(1)).toEqual([
      { name: 'PROVIDER_ASKED', at: '2026-01-31T12:00:00.100Z' },
      { name: 'PROVIDER_ACKNOWLEDGED', at: '2026-01-31T12:00:03.000Z' },
      { name: 'CODE_RECEIVED', at: '2026-01-31T12:00:09.000Z' },
      { name: 'STORED', at: expect.any(String) },
    ]);
  });

  it('steps: of the provider are set by its acknowledgement, and kept by the outcome', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    const times = { askedAt: '2026-01-31T12:00:00.100Z', acknowledgedAt: '2026-01-31T12:00:03.000Z' };
    const asked = { name: 'PROVIDER_ASKED', at: times.askedAt };
    const acknowledged = { name: 'PROVIDER_ACKNOWLEDGED', at: times.acknowledgedAt };
    await ctx.acknowledge({ requestId: id, ...times });
    await expect.poll(async () => (await steps(ctx, id)).slice(1)).toEqual([asked, acknowledged]);
    // A previous version of voucher-integration publishes outcomes without the provider's times.
    await ctx.receive({ requestId: id });
    expect((await steps(ctx, id)).map(({ name }) => name)).toEqual([
      'ACCEPTED',
      'PROVIDER_ASKED',
      'PROVIDER_ACKNOWLEDGED',
      'CODE_RECEIVED',
      'STORED',
    ]);
  });

  it('steps: ignore an acknowledgement after the outcome, or of an unknown request', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    const other = (await ctx.request()).data?.requestVoucher as { id: string };
    await ctx.receive({ requestId: id });
    const before = await steps(ctx, id);
    const times = { askedAt: '2026-01-31T12:00:00.100Z', acknowledgedAt: '2026-01-31T12:00:03.000Z' };
    await ctx.acknowledge({ requestId: id, ...times });
    await ctx.acknowledge({ requestId: randomUUID(), ...times });
    // Messages of one phone number are consumed in order. So when this third message is consumed, the first message is
    // consumed, too.
    await ctx.acknowledge({ requestId: other.id, ...times });
    await expect.poll(async () => (await steps(ctx, other.id)).length).toBe(3);
    expect(await steps(ctx, id)).toEqual(before);
  });

  // Regression: an acknowledgement with another user's phone number changed the steps that the request's owner sees.
  it('steps: ignore an acknowledgement with the phone number of another user', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    const times = { askedAt: '2026-01-31T12:00:00.100Z', acknowledgedAt: '2026-01-31T12:00:03.000Z' };
    const message = { requestId: id, owner: { id: ctx.ann.userId }, ...times };
    await storeAcknowledgements(ctx.engines.database, [{ ...message, phoneNumber: '+84909000000' }]);
    expect(await steps(ctx, id)).toHaveLength(1);
    await storeAcknowledgements(ctx.engines.database, [{ ...message, phoneNumber: ctx.ann.phoneNumber }]);
    expect(await steps(ctx, id)).toHaveLength(3);
  });

  it('steps: of a failed request, without times of the provider', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    await ctx.fail({ requestId: id });
    expect((await steps(ctx, id)).map(({ name }) => name)).toEqual(['ACCEPTED', 'FAILED', 'STORED']);
  });
});

import { randomUUID } from 'node:crypto';
import { postEntities } from '@voucher-gateway/platform/testing/graphql-client';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { startTestVoucherService } from './testing/voucher-service.ts';

describe('voucherRequest', () => {
  it('voucherRequest: is fulfilled by its code, and visible to its owner only', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    const [code] = await ctx.receive({ requestId: id });
    const query = `query ($id: ID!) { voucherRequest(id: $id) { status message voucher { code status owner { __typename id } } } }`;
    expect((await ctx.post(query, { id })).data?.voucherRequest).toEqual({
      status: 'FULFILLED',
      message: 'Your voucher code is ready.',
      voucher: { code: code?.code, status: 'SUCCESS', owner: { __typename: 'User', id: ctx.ann.userId } },
    });
    expect((await ctx.post(query, { id }, await ctx.issuer.user())).data).toEqual({ voucherRequest: null });
    expect((await ctx.post(query, { id: 'nonsense' })).data).toEqual({ voucherRequest: null });
  });

  it('voucherRequest: reports a late request, then its failure with the reason', async () => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request()).data?.requestVoucher as { id: string };
    const state = async () =>
      (await ctx.post('query ($id: ID!) { voucherRequest(id: $id) { status message failureReason } }', { id })).data
        ?.voucherRequest;
    ctx.clock.advance(30_001);
    expect(await state()).toMatchObject({ status: 'PENDING', message: expect.stringContaining('longer than usual') });
    await ctx.fail({ requestId: id });
    expect(await state()).toEqual({
      status: 'FAILED',
      message: 'The voucher provider did not send the code in time.',
      failureReason: 'PROVIDER_SILENT',
    });
  });

  it.each([
    ['without a callback URL', undefined, 'The code will come by SMS.'],
    ['with a callback URL', 'https://shop.example.com/vouchers', 'The code will come by callback and SMS.'],
  ])('voucherRequest: that is late, %s, names the channels it has', async (_what, callbackUrl, expected) => {
    await using ctx = await startTestVoucherService();
    const { id } = (await ctx.request({ callbackUrl })).data?.requestVoucher as { id: string };
    ctx.clock.advance(30_001);
    const { data } = await ctx.post('query ($id: ID!) { voucherRequest(id: $id) { message } }', { id });
    expect(data?.voucherRequest.message).toBe(`Your request takes longer than usual. ${expected}`);
  });

  it('voucherRequest: has the end of the feed as its cursor', async () => {
    await using ctx = await startTestVoucherService();
    const [a] = await ctx.receive({}, { phoneNumber: '+84911111111' });
    expect((await ctx.request()).data?.requestVoucher.cursor).toBe(encodeCursor(a?.id ?? ''));
  });

  it("entities: resolve the user's own by reference, and null for others", async () => {
    await using ctx = await startTestVoucherService();
    const { id: requestId } = (await ctx.request()).data?.requestVoucher as { id: string };
    const [code] = await ctx.receive({ requestId });
    const references = [
      { __typename: 'Voucher', id: code?.id },
      { __typename: 'VoucherRequest', id: requestId },
      { __typename: 'Voucher', id: randomUUID() },
      { __typename: 'VoucherRequest', id: 'nonsense' },
    ];
    const selection = '... on Voucher { code } ... on VoucherRequest { status }';
    expect((await postEntities(ctx.graphqlUrl, references, selection, ctx.ann.token)).data?._entities).toEqual([
      { code: code?.code },
      { status: 'FULFILLED' },
      null,
      null,
    ]);
    expect(
      (await postEntities(ctx.graphqlUrl, references, selection, (await ctx.issuer.user()).token)).data?._entities,
    ).toEqual([null, null, null, null]);
  });
});

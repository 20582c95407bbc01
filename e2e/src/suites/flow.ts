import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import { ledgerEntry } from '../provider-ledger.ts';
import type { StartSystem, System } from '../system.ts';

/** Tests of the original specification's flow, on a system that `startSystem` starts. */
export function flowSuite(startSystem: StartSystem): void {
  // Numbers in parentheses are the steps (0) to (13) of the original specification. Tests run concurrently on one system,
  // each with another customer.
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const feed = `subscription ($requestId: ID, $after: String) {
  voucherReceived(requestId: $requestId, after: $after) {
    cursor
    node { id requestId code status phoneNumber requestedAt receivedAt owner { username } deliveries { channel } }
  }
}`;
  const purchased = `query ($phoneNumber: String) {
  purchasedVouchers(phoneNumber: $phoneNumber) {
    nodes { id requestId code status owner { username } deliveries { channel status attempts { status error } } }
  }
}`;
  const requestOf = `query ($id: ID!) { voucherRequest(id: $id) { status message voucher { code } deliveries { channel status } } }`;

  interface PurchasedVoucher {
    requestId: string;
    code: string;
    status: string;
    deliveries: { channel: string; status: string }[];
  }

  /**
   * Steps (10) to (13): waits until `count` vouchers are stored and all their deliveries have ended, and returns the
   * vouchers. The wait is needed, because a callback may arrive before its voucher is stored.
   */
  async function purchasedOnceDelivered(customer: Customer, count = 1): Promise<PurchasedVoucher[]> {
    let nodes: PurchasedVoucher[] = [];
    await waitFor(async () => {
      const { purchasedVouchers } = await customer.graphql(purchased, { phoneNumber: customer.phoneNumber });
      nodes = purchasedVouchers.nodes;
      const deliveries = nodes.map((node) => node.deliveries);
      return (
        nodes.length >= count &&
        deliveries.every((of) => of.length > 0 && of.every(({ status }) => status !== 'PENDING'))
      );
    });
    return nodes;
  }

  describe.concurrent('the flow', () => {
    it('delivers a code within 3 s to callback, subscription and list', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 300 });
      const nextEvent = await customer.subscribe(feed);

      // Step (0): the request is accepted immediately.
      const request = await customer.requestVoucher();
      expect(request).toMatchObject({
        status: 'PENDING',
        message: 'Your request is being processed within 30 seconds',
        phoneNumber: customer.phoneNumber,
      });
      expect(Date.parse(request.expectedBy) - Date.parse(request.requestedAt)).toBe(30_000);

      // Step (8): the code is sent to the callbackUrl in a signed POST. Step (8'): the code is sent to the subscriber.
      const [callback, event] = await Promise.all([customer.nextCallback(), nextEvent()]);
      // Steps (1) to (5): the provider got the request's id as the idempotency key, and issued this code.
      const order = await ledgerEntry(system, request.id);
      expect(callback).toMatchObject({
        type: 'voucher.received',
        data: { requestId: request.id, code: order?.voucherCode, status: 'SUCCESS', phoneNumber: customer.phoneNumber },
      });
      expect(event.voucherReceived.node).toMatchObject({
        id: callback.data.voucherId,
        requestId: request.id,
        code: order?.voucherCode,
        status: 'SUCCESS',
        phoneNumber: customer.phoneNumber,
        owner: { username: customer.username },
        deliveries: expect.any(Array),
      });

      // Step (9): the voucher is stored. Steps (10) to (13): the voucher is read.
      expect(await purchasedOnceDelivered(customer)).toEqual([
        {
          id: callback.data.voucherId,
          requestId: request.id,
          code: order?.voucherCode,
          status: 'SUCCESS',
          owner: { username: customer.username },
          deliveries: [{ channel: 'CALLBACK', status: 'DELIVERED', attempts: [{ status: 200, error: null }] }],
        },
      ]);
      expect((await customer.graphql(requestOf, { id: request.id })).voucherRequest).toEqual({
        status: 'FULFILLED',
        message: expect.any(String),
        voucher: { code: order?.voucherCode },
        deliveries: [{ channel: 'CALLBACK', status: 'DELIVERED' }],
      });
      expect(customer.receiver.calls).toHaveLength(1);
    });

    it('delivers a code of the provider’s callback after verifying it', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 4_500 });
      const request = await customer.requestVoucher();
      // Step (4.2): the provider takes more than 3 s, and posts the code to voucher-integration. The customer then gets
      // a callback.
      const callback = await customer.nextCallback();
      const order = await ledgerEntry(system, request.id);
      expect(callback.data).toMatchObject({ requestId: request.id, code: order?.voucherCode, status: 'SUCCESS' });
      expect(await purchasedOnceDelivered(customer)).toMatchObject([{ code: order?.voucherCode }]);
    });

    it('reports an acknowledgement before the code, to subscribers and in the steps', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 10_000 });
      const nextEvent = await customer.subscribe(
        'subscription { voucherRequestAcknowledged { requestId askedAt acknowledgedAt owner { username } } }',
      );
      const request = await customer.requestVoucher();
      const { owner, ...event } = (await nextEvent()).voucherRequestAcknowledged;
      expect([event.requestId, owner]).toEqual([request.id, { username: customer.username }]);
      const stepsOf = 'query ($id: ID!) { voucherRequest(id: $id) { status steps { name at } } }';
      let shown: { status: string; steps: { name: string; at: string }[] } | undefined;
      await waitFor(async () => {
        shown = (await customer.graphql(stepsOf, { id: request.id })).voucherRequest;
        return shown?.steps.length !== 1;
      });
      expect(shown).toEqual({
        status: 'PENDING',
        steps: [
          { name: 'ACCEPTED', at: request.requestedAt },
          { name: 'PROVIDER_ASKED', at: event.askedAt },
          { name: 'PROVIDER_ACKNOWLEDGED', at: event.acknowledgedAt },
        ],
      });
    });

    it('sends a code after 30 s by SMS, and to the callback as LATE_SUCCESS', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 31_000 });
      const nextEvent = await customer.subscribe(feed);
      const request = await customer.requestVoucher();
      const [callback, event] = await Promise.all([customer.nextCallback(), nextEvent()]);
      expect(callback.data).toMatchObject({ requestId: request.id, status: 'LATE_SUCCESS' });
      expect(event.voucherReceived.node).toMatchObject({ status: 'LATE_SUCCESS', code: callback.data.code });
      const [voucher] = await purchasedOnceDelivered(customer);
      expect(voucher?.status).toBe('LATE_SUCCESS');
      // This suite runs on several systems. On embedded engines NODE_ENV is development, and SMS are simulated. The
      // other systems have SMS=off.
      expect(voucher?.deliveries.toSorted((one, other) => (one.channel < other.channel ? -1 : 1))).toMatchObject([
        { channel: 'CALLBACK', status: 'DELIVERED' },
        { channel: 'SMS', status: expect.stringMatching(/^(SIMULATED|FAILED)$/) },
      ]);
    });

    it('creates one voucher for a duplicate callback, and for a retry with its key', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ fault: 'duplicate-callback', delayMs: 3_500 });
      const input = { callbackUrl: customer.receiver.url, idempotencyKey: 'order-1' };
      const request = await customer.requestVoucher(input);
      expect(await customer.requestVoucher(input)).toMatchObject({ id: request.id });
      await customer.nextCallback();
      expect(await purchasedOnceDelivered(customer)).toMatchObject([{ requestId: request.id }]);
      expect(await customer.requestVoucher(input)).toMatchObject({ id: request.id, status: 'FULFILLED' });
    });

    it('accepts a callback before its acknowledgement is stored', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ fault: 'callback-before-acknowledgement', delayMs: 3_500 });
      const request = await customer.requestVoucher();
      const { data } = await customer.nextCallback();
      expect(data.code).toBe((await ledgerEntry(system, request.id))?.voucherCode);
      expect(await purchasedOnceDelivered(customer)).toHaveLength(1);
    });

    it('sends concurrent requests of one phone each to its own URL', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 400, times: 2 });
      const callbackUrls = ['a', 'b'].map((path) => customer.receiver.url.replace('/callback', `/${path}`));
      const requests = await Promise.all(callbackUrls.map((callbackUrl) => customer.requestVoucher({ callbackUrl })));
      const calls = [await customer.receiver.next(), await customer.receiver.next()];
      const received = Object.fromEntries(calls.map((call) => [call.path, customer.verify(call).data.requestId]));
      expect(received).toEqual({ '/a': requests[0].id, '/b': requests[1].id });
      const codes = (await purchasedOnceDelivered(customer, 2)).map(({ code }) => code);
      expect(new Set(codes).size).toBe(2);
    });

    it('sends an earlier code to a client that subscribes from the request’s cursor', async ({ expect }) => {
      await using customer = await startCustomer(system);
      await customer.instructProvider({ delayMs: 0 });
      const request = await customer.requestVoucher();
      const { data } = await customer.nextCallback();
      const nextEvent = await customer.subscribe(feed, { after: request.cursor });
      const first = (await nextEvent()).voucherReceived;
      expect(first.node.code).toBe(data.code);

      // The subscription resumes after the first event, so that its next event is the next code.
      const resumed = await customer.subscribe(feed, { after: first.cursor });
      await customer.instructProvider({ delayMs: 0 });
      const second = await customer.requestVoucher();
      expect((await resumed()).voucherReceived.node.requestId).toBe(second.id);
    });

    it('shows a customer no voucher, request or event of another', async ({ expect }) => {
      await using ann = await startCustomer(system);
      await using bob = await startCustomer(system);
      await ann.instructProvider({ delayMs: 0 });
      await bob.instructProvider({ delayMs: 0 });
      const request = await ann.requestVoucher();
      const toBob = await bob.subscribe(feed, { requestId: request.id });
      const toBobAny = await bob.subscribe(feed);
      await ann.nextCallback();
      expect((await bob.graphql(requestOf, { id: request.id })).voucherRequest).toBeNull();
      expect((await bob.graphql(purchased)).purchasedVouchers.nodes).toEqual([]);
      expect(await bob.answerOf(purchased, { phoneNumber: ann.phoneNumber })).toMatchObject({
        errors: [{ extensions: { code: 'FORBIDDEN' } }],
      });
      const own = await bob.requestVoucher();
      expect((await toBobAny()).voucherReceived.node.requestId).toBe(own.id);
      // `toBob` subscribes to Ann's request id. Bob gets nothing there, neither Ann's event nor the event of his own
      // request.
      const silent = await Promise.race([toBob(), bob.nextCallback().then(() => 'silent')]);
      expect(silent).toBe('silent');
    });

    it('closes a subscription with its session', async ({ expect }) => {
      await using customer = await startCustomer(system);
      const nextEvent = await customer.subscribe(feed);
      await customer.graphql('mutation { signOut }');
      await expect(nextEvent()).rejects.toMatchObject({ code: 4403 });
      expect(await customer.answerOf('{ me { id } }')).toMatchObject({
        status: 401,
        errors: [{ extensions: { code: 'SESSION_EXPIRED' } }],
      });
    });
  });
}

import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { connectReady } from '../../testing/clients/raw-client.ts';
import { startTestGateway } from '../../testing/gateway.ts';
import { holdCaughtUp } from '../../testing/hold.ts';
import { move } from '../../testing/supergraphs/moves.ts';
import type { TopicSubscription } from '../plan/plan-subscription.ts';
import { openCatchUp } from './catch-up.ts';

// Regression: while the broker did not answer, clients that had left stayed in memory.
describe('resume: a client that leaves while the topic can not be read', () => {
  it('does not count against its user any more', async () => {
    await using ctx = await startTestGateway();
    const caughtUp = holdCaughtUp(ctx.engines.topics);
    const gateway = await ctx.start();
    const { token } = await ctx.signIn();
    await ctx.publish(move('m1'));
    await using client = await connectReady(gateway.url.replace('http', 'ws').concat('/graphql'), token);
    client.subscribe('1', `subscription { moved(after: "${encodeCursor('m1')}") { cursor } }`);
    await caughtUp.reached;
    expect(gateway.subscriptions).toBe(1);
    client.complete('1');
    expect(await client.rest()).toEqual([]);
    await expect.poll(() => gateway.subscriptions).toBe(0);
    caughtUp.release();
    await gateway[Symbol.asyncDispose]();
  });

  it('ends its catch-up', async () => {
    const planned = { topicField: { topic: 'parcel-moved', match: 'customer' } } as TopicSubscription;
    const reading = Promise.withResolvers<void>();
    const neverCaughtUp = () => {
      reading.resolve();
      return new Promise<never>(() => {});
    };
    const { sendAll } = await openCatchUp({
      planned: () => planned,
      claimValue: 'ann',
      after: encodeCursor(null),
      readStoredPage: async () => ({ planned, storedThrough: {}, edges: [], hasNextPage: false, endCursor: null }),
      recent: { caughtUp: neverCaughtUp } as never,
      scan: {} as never,
      clock: createTestClock(),
      log: silentLog,
    });
    const leaving = new AbortController();
    const sent = sendAll({ send: async () => {}, goLive() {}, signal: leaving.signal });
    await reading.promise;
    leaving.abort(new Error('left'));
    await expect(sent).rejects.toThrow('left');
  });
});

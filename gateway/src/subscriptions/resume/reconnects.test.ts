import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { createClient } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../../testing/gateway.ts';
import { parcelMoved } from '../../testing/supergraphs/moves.ts';
import type { Move } from '../../testing/supergraphs/parcel-supergraph.ts';

const events = 1_000;
const gatewayCount = 3;
/** Number of events after which a random gateway is replaced by a new gateway. */
const gatewayLives = 100;

/** Creates a deterministic sequence of pseudo-random numbers. */
function createRandom(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

describe('resume', () => {
  it('gives a client that reconnects often each event once and in order', async () => {
    await using ctx = await startTestGateway();
    const { engines, world, signIn } = ctx;
    const random = createRandom(7);
    await using resources = new AsyncDisposableStack();
    const gateways: (AsyncDisposable & { url: string })[] = [{ url: ctx.url, [Symbol.asyncDispose]: ctx.stop }];
    while (gateways.length < gatewayCount) gateways.push(await ctx.start());
    resources.defer(async () => void (await Promise.all(gateways.map((gateway) => gateway[Symbol.asyncDispose]()))));
    const { token } = await signIn('ann');

    // The store lags a few messages behind the topic, and ignores duplicates.
    const stored = new Set<string>();
    resources.use(
      await engines.topics.consume({
        topic: parcelMoved,
        group: 'tracking',
        async handler({ value }, { finishedThrough }) {
          for (let turns = random(20); turns > 0; turns -= 1) await new Promise(setImmediate);
          if (!stored.has(value.id)) world.stored = [...world.stored, value];
          stored.add(value.id);
          world.storedThrough = finishedThrough();
        },
      }),
    );

    const idOf = (index: number) => `m${String(index).padStart(5, '0')}`;
    const move = (index: number): Move => ({ id: idOf(index), parcel: 'p1', customer: 'ann', place: String(index) });
    const publishing = (async () => {
      for (let index = 0; index < events; ) {
        const batch = Array.from({ length: Math.min(1 + random(10), events - index) }, (_, offset) =>
          move(index + offset),
        );
        index += batch.length;
        // Some messages are published twice, as after a crash of the outbox relay.
        if (random(5) === 0) batch.push(move(Math.max(0, index - 1 - random(20))));
        await engines.database.transaction((tx) => engines.topics.publishAll(tx, parcelMoved, batch));
      }
    })();

    const seen: string[] = [];
    let reconnects = 0;
    let restarts = 0;
    let cursor = encodeCursor(null);
    while (seen.length < events) {
      const gateway = gateways[random(gateways.length)];
      if (!gateway) throw new Error('there is no gateway');
      const client = createClient({
        url: `${gateway.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: token },
        retryAttempts: 0,
      });
      reconnects += 1;
      const patience = 1 + random(10);
      let taken = 0;
      for await (const { data, errors } of client.iterate<{ moved: { cursor: string; node: { id: string } } }>({
        query: 'subscription ($after: String) { moved(after: $after) { cursor node { id } } }',
        variables: { after: cursor },
      })) {
        if (!data) throw new Error(`an event came without data: ${JSON.stringify(errors)}`);
        cursor = data.moved.cursor;
        seen.push(data.moved.node.id);
        taken += 1;
        if (taken >= patience || seen.length >= events) break;
      }
      client.terminate();
      await client.dispose();
      if (seen.length > (restarts + 1) * gatewayLives) {
        restarts += 1;
        const index = 1 + random(gateways.length - 1);
        await gateways[index]?.[Symbol.asyncDispose]();
        gateways[index] = await ctx.start();
      }
    }
    await publishing;
    expect(seen).toEqual(Array.from({ length: events }, (_, index) => idOf(index)));
    expect(reconnects).toBeGreaterThan(events / 10 - 1);
    expect(restarts).toBeGreaterThan(events / gatewayLives / 2);
  }, 300_000);
});

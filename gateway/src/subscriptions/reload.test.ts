import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { createHold } from '../testing/hold.ts';
import { contextOf, openTestSubscriptions } from '../testing/subscriptions.ts';
import { move, parcelMoved } from '../testing/supergraphs/moves.ts';
import { parcelSupergraph } from '../testing/supergraphs/parcel-supergraph.ts';
import type { Subscription } from './active-subscription.ts';

const withoutNote = () => parcelSupergraph().replace(/(?<=type Move\n[\s\S]*?)^ {2}note: String\n/m, '');

/** Counts the turns of the event loop, and measures this thread's CPU time in the longest turn. */
function watchEventLoop() {
  const usedMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let turns = 0;
  let longestMs = 0;
  let since = usedMs();
  let isOver = false;
  const turn = () => {
    turns += 1;
    longestMs = Math.max(longestMs, usedMs() - since);
    since = usedMs();
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop() {
      isOver = true;
      return { turns, longestMs };
    },
  };
}

describe('reload', () => {
  it('handles 20,000 subscriptions without blocking the event loop', async () => {
    await using ctx = await openTestSubscriptions();
    const { federation, operations, subscriptions, engines } = ctx;

    const count = 20_000;
    const stay: Subscription[] = [];
    let ended = 0;
    let answered = 0;
    const bothAnswered = Promise.withResolvers<void>();
    for (let index = 0; index < count; index += 1) {
      // Every second subscription selects a field that the next supergraph lacks. Equal operations are shared. Half of
      // the subscriptions have an operation of their own, because their variable `p` is unique.
      const field = index % 2 === 0 ? 'place' : 'note';
      const text = `subscription ($p: ID) { moved(parcel: $p) { node { id ${field} } } }`;
      const variables = { p: index % 4 < 2 ? String(index) : 'p1' };
      const context = contextOf(`c${index}`);
      const operation = await operations.prepare({ query: text, variables }, context);
      const subscription = await subscriptions.subscribe(operation, context);
      subscription.start({
        next: () => {
          answered += 1;
          if (answered === 2) bothAnswered.resolve();
        },
        end: (errors) => {
          if (errors?.[0]?.extensions?.code === 'SUBSCRIPTION_SCHEMA_RELOAD') ended += 1;
          subscription[Symbol.dispose]();
        },
        flushed: async () => {},
      });
      stay.push(subscription);
    }
    expect(subscriptions.count).toBe(count);

    const next = withoutNote();
    const loop = watchEventLoop();
    await federation.reload(next, { prepare: subscriptions.prepareFor });
    const { turns, longestMs } = loop.stop();
    expect(ended).toBe(count / 2);
    expect(subscriptions.count).toBe(count / 2);
    expect(turns).toBeGreaterThan(50);
    // The longest turn is the one that loads the supergraph.
    expect(longestMs).toBeLessThan(400);

    // The first message is for a subscription of a shared operation. The second is for a subscription with an operation
    // of its own.
    await using seen = await engines.topics.tail({ topic: parcelMoved, from: 'now', onMessage: () => {} });
    await ctx.publish(move('m1', { customer: 'c2', parcel: 'p1' }), move('m2', { customer: 'c4', parcel: '4' }));
    await seen.caughtUp();
    await bothAnswered.promise;
    expect(answered).toBe(2);
    for (const subscription of stay) subscription[Symbol.dispose]();
  });

  it('ends a subscription that goes live while those of its operation are ended', async () => {
    // Regression: the subscription joined a fan-out of an operation that the reload was ending. The subscription was
    // never ended, and missed all later events.
    await using ctx = await openTestSubscriptions();
    const { federation, operations, subscriptions } = ctx;
    await ctx.publish(move('m1', { customer: 'eve' }));
    const sent = createHold();
    const codes: Record<string, unknown> = {};
    const subscribe = async (customer: string, after: string | null = null) => {
      const query = 'subscription ($after: String) { moved(after: $after) { node { note } } }';
      const context = contextOf(customer);
      const operation = await operations.prepare({ query, variables: { after } }, context);
      const subscription = await subscriptions.subscribe(operation, context);
      subscription.start({
        next: () => {},
        end: (errors) => {
          codes[customer] = errors?.[0]?.extensions?.code;
          subscription[Symbol.dispose]();
          sent.release();
          // Blocking the event loop for 10 ms makes the reload yield. Eve's subscription then goes live before the
          // reload ends the next subscription.
          for (const startedAtMs = performance.now(); performance.now() - startedAtMs < 10; );
        },
        flushed: sent.wait,
      });
    };
    await subscribe('ann');
    await subscribe('bob');
    await subscribe('eve', encodeCursor(null));
    await sent.reached;
    await federation.reload(withoutNote(), { prepare: subscriptions.prepareFor });
    const code = 'SUBSCRIPTION_SCHEMA_RELOAD';
    expect(codes).toEqual({ ann: code, bob: code, eve: code });
    expect(subscriptions.count).toBe(0);
  });
});

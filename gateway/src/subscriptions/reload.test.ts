import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import type { Topic } from '@voucher-gateway/platform/topics';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { createReloadableFederation } from '../federation/reloadable-federation.ts';
import { leasePlanner } from '../testing/lease-planner.ts';
import { anonymous, createTestOperations } from '../testing/operations.ts';
import { createWorld, type Move, parcelDataSource, parcelSupergraph } from '../testing/parcel-supergraph.ts';
import type { Subscription } from './active-subscription.ts';
import { createSubscriptions } from './subscriptions.ts';

const parcelMoved: Topic<Move> = { name: 'parcel-moved', schema: z.custom<Move>(), key: (move) => move.customer };
const withoutNote = () => parcelSupergraph().replace(/(?<=type Move\n[\s\S]*?)^ {2}note: String\n/m, '');

/** Counts the turns of the event loop, and measures the CPU time of the longest one on this thread. */
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

it('reload: handles 20,000 subscriptions without blocking the event loop', async () => {
  await using resources = new AsyncDisposableStack();
  const engines = resources.use(await openTestEngines());
  const { topics, clock, database } = engines;
  const federation = resources.use(
    await createReloadableFederation({
      supergraphSdl: parcelSupergraph(),
      dataSource: parcelDataSource(createWorld()),
      createPlanner: leasePlanner,
      log: silentLog,
    }),
  );
  const subscriptions = resources.use(await createSubscriptions({ federation, topics, clock, log: silentLog }));
  const operations = createTestOperations({ federation });
  const contextOf = (customer: string): GatewayContext => ({
    ...anonymous,
    identity: { userId: customer, sid: customer, kid: 'k', phoneNumber: '', expiresAtMs: 0, claims: { customer } },
    authorization: customer,
  });

  const count = 20_000;
  const stay: Subscription[] = [];
  let ended = 0;
  let answered = 0;
  for (let index = 0; index < count; index += 1) {
    // Every second one selects a field that the next supergraph lacks; one in four has an operation of its own.
    const field = index % 2 === 0 ? 'place' : 'note';
    const text = `subscription ($p: ID) { moved(parcel: $p) { node { id ${field} } } }`;
    const variables = { p: index % 4 < 2 ? String(index) : 'p1' };
    const context = contextOf(`c${index}`);
    const operation = await operations.prepare({ query: text, variables }, context);
    const subscription = await subscriptions.subscribe(operation, context);
    subscription.start({
      next: () => {
        answered += 1;
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
  // Most of the longest turn is the load of the supergraph.
  expect(longestMs).toBeLessThan(400);

  // One with a shared operation, and one with an operation of its own.
  const seen = resources.use(await topics.tail({ topic: parcelMoved, from: 'now', onMessage: () => {} }));
  for (const [customer, parcel] of [
    ['c2', 'p1'],
    ['c4', '4'],
  ] as const)
    await database.transaction((tx) =>
      topics.publish(tx, parcelMoved, { id: `m${parcel}`, parcel, customer, place: 'Hue' }),
    );
  await seen.caughtUp();
  await expect.poll(() => answered).toBe(2);
  for (const subscription of stay) subscription[Symbol.dispose]();
}, 120_000);

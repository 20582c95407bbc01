import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import type { Topic } from '@voucher-gateway/platform/topics';
import type { ExecutionResult } from 'graphql';
import { z } from 'zod';
import type { GatewayContext } from '../context.ts';
import { createReloadableFederation } from '../federation/reloadable-federation.ts';
import { createResultFormatter } from '../format-result.ts';
import type { Subscription } from '../subscriptions/active-subscription.ts';
import { createSubscriptions } from '../subscriptions/subscriptions.ts';
import { leasePlanner } from './operations/lease-planner.ts';
import { anonymous, createTestOperations } from './operations/operations.ts';
import { parcelMoved } from './supergraphs/moves.ts';
import { createWorld, type Move, parcelDataSource, parcelSupergraph } from './supergraphs/parcel-supergraph.ts';

const parcelLost: Topic<object> = { name: 'parcel-lost', schema: z.custom<object>(), key: () => 'any' };

export type TestSubscriptions = Awaited<ReturnType<typeof openTestSubscriptions>>;

/**
 * Opens the subscriptions of the parcel supergraph. The subgraphs are in this process, and tests subscribe by a
 * function call, without HTTP or WebSockets.
 */
export async function openTestSubscriptions({ recentCount = 10_000, supergraphSdl = parcelSupergraph() } = {}) {
  const recentBounds = { maxCount: recentCount, maxBytes: 67_108_864 };
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await openTestEngines());
  const world = createWorld();
  const federation = releases.use(
    await createReloadableFederation({
      supergraphSdl,
      dataSource: parcelDataSource(world),
      createPlanner: leasePlanner,
      log: silentLog,
    }),
  );
  const operations = createTestOperations({ federation });
  const { database, clock } = engines;
  let tails = 0;
  const topics: typeof engines.topics = {
    ...engines.topics,
    tail(options) {
      tails += 1;
      return engines.topics.tail(options);
    },
  };
  const open = () => createSubscriptions({ federation, topics, clock, log: silentLog, recentBounds });
  const subscriptions = releases.use(await open());
  const owned = releases.move();
  return {
    world,
    engines,
    federation,
    operations,
    subscriptions,
    /** Number of topic consumers (`Topics.tail`) started so far. */
    tails: () => tails,
    /** Opens the subscriptions of another gateway on the same engines. */
    another: async () => owned.use(await open()),
    /** Publishes moves and resolves once they are committed. */
    publish: (...moves: Move[]) => database.transaction((tx) => topics.publishAll(tx, parcelMoved, moves)),
    /** Publishes a move as a duplicate of an earlier message. */
    republish: (move: Move) =>
      database.transaction((tx) => topics.publish(tx, parcelMoved, move, { headers: { repeat: 'true' } })),
    /** Publishes a message of `Subscription.lost`. */
    lose: (value: object) => database.transaction((tx) => topics.publish(tx, parcelLost, value)),
    /**
     * Resolves with the position of a move in the topic. Tests use it as `World.storedThrough`: the position up to
     * which the subgraph has stored the topic.
     */
    async positionOf({ id }: Move): Promise<number> {
      let found: number | undefined;
      await using _tail = await engines.topics.tail({
        topic: parcelMoved,
        from: { after: {} },
        onMessage: ({ value, position }) => {
          if (value.id === id) found ??= position;
        },
      });
      if (found === undefined) throw new Error(`the topic has no message ${id}`);
      return found;
    },
    /** Subscribes as a customer. Returns the errors of a refused subscription. */
    async subscribe(
      query: string,
      {
        customer = 'ann',
        variables = {},
        on = subscriptions,
        operationName = undefined as string | undefined,
        claims = {},
      } = {},
    ) {
      const context = contextOf(customer, claims);
      try {
        const operation = await operations.prepare({ query, variables, operationName }, context);
        return readResults(owned.use(await on.subscribe(operation, context)));
      } catch (error) {
        const errors = createResultFormatter(silentLog).formatErrors(error);
        return { errors, ended: errors, next: () => Promise.reject(errors), stop: async () => {} };
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts a subscription. The test reads its results one by one. */
function readResults(subscription: Subscription) {
  const results: ExecutionResult[] = [];
  let wake = () => {};
  let hasEnded = false;
  let ended: unknown;
  const end = (errors?: unknown) => {
    ended ??= errors;
    hasEnded = true;
    subscription[Symbol.dispose]();
    wake();
  };
  subscription.start({
    next(json) {
      results.push(JSON.parse(json));
      wake();
    },
    end,
    flushed: async () => {},
  });
  return {
    errors: undefined,
    /** The errors with which the subscription ended. */
    get ended() {
      return ended;
    },
    /** Resolves with the next `count` results, or with fewer if the subscription has ended. */
    async next(count = 1): Promise<ExecutionResult[]> {
      while (results.length < count && !hasEnded)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return results.splice(0, count);
    },
    stop: async () => end(),
  };
}

/** Creates the context of a signed-in customer. */
export function contextOf(customer: string, claims: object = {}): GatewayContext {
  const identity: Identity = {
    userId: customer,
    sid: customer,
    kid: 'k',
    phoneNumber: '',
    expiresAtMs: 0,
    claims: { customer, ...claims },
  };
  return { ...anonymous, identity, authorization: `Bearer ${customer}` };
}

/** Reads the places from results of `moved { node { place } }`. */
export function placesOf(results: ExecutionResult[]): string[] {
  return results.map(({ data }) => (data as { moved: { node: { place: string } } }).moved.node.place);
}

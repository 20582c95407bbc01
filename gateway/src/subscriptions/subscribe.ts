import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionResult, GraphQLError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation, Operation } from '../federation.ts';
import { createEventExecutor, type PrimaryAnswer } from './execute-event.ts';
import { openLiveFeed, openResumedFeed } from './feed.ts';
import { type PreparedSubscription, prepareSubscription } from './prepare.ts';
import { createQuota } from './quota.ts';
import { createReplay } from './replay.ts';
import { readTopicFields } from './topic-directive.ts';
import { openTopicWindow, type TopicWindow } from './topic-window.ts';

/** What a subscriber is sent. */
export interface SubscriptionEvent {
  result: ExecutionResult;
  /** Behind which the subscription can be resumed; null where nothing is stored. */
  cursor: string | null;
}

/** The core of topic-fed subscriptions, whatever the transport. */
export interface Subscriptions extends AsyncDisposable {
  /** Subscriptions that stand right now. */
  readonly count: number;
  /**
   * Subscribes: a stream of answers, or one answer with errors where it is refused (UNAUTHENTICATED,
   * FORBIDDEN, BAD_USER_INPUT, CURSOR_INVALID, SUBGRAPH_UNAVAILABLE, …). Returning the stream
   * unsubscribes.
   *
   * @param operation of kind subscription, validated against the federation's schema
   * @param options.after cursor to resume behind, in place of the field's own argument: a transport's, such as
   *   `Last-Event-ID`
   */
  subscribe(
    operation: Operation,
    context: GatewayContext,
    options?: { after?: string | null },
  ): Promise<AsyncGenerator<SubscriptionEvent, void, void> | ExecutionResult>;
}

export interface SubscriptionsOptions {
  federation: Federation;
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Messages of each topic held in memory for those who resume. Default: 10,000. */
  windowSize?: number;
  /** Subscriptions of a user at once; more are RATE_LIMITED. Default: 200. */
  maxPerUser?: number;
}

/** Starts one tail for each topic that the supergraph's Subscription fields name. */
export async function createSubscriptions({
  federation,
  topics,
  clock,
  log,
  windowSize = 10_000,
  maxPerUser = 200,
}: SubscriptionsOptions): Promise<Subscriptions> {
  await using releases = new AsyncDisposableStack();
  const topicFields = readTopicFields(federation.supergraph);
  const windows = new Map<string, TopicWindow>();
  for (const { topic } of topicFields.values()) {
    if (windows.has(topic)) continue;
    const matches = new Set(
      [...topicFields.values()].filter((field) => field.topic === topic).map((field) => field.match),
    );
    windows.set(topic, releases.use(await openTopicWindow({ topics, topic, matches, size: windowSize, log })));
  }
  const owned = releases.move();
  const quota = createQuota(maxPerUser);

  const open = async (operation: Operation, context: GatewayContext, resumeAfter: string | null) => {
    if (!context.identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in to subscribe.');
    const prepared = prepareSubscription(federation, topicFields, operation);
    const { topicField } = prepared;
    const key = context.identity.claims[topicField.claim];
    if (typeof key !== 'string')
      throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Your token lacks what this subscription goes by.');
    const window = windows.get(topicField.topic);
    if (!window) throw new Error(`no window of ${topicField.topic}`);
    const after = resumeAfter ?? prepared.arguments.after ?? null;
    const taken = quota.take(context.identity.userId);
    try {
      return answers(
        await openFeed(prepared, key, window, after, context),
        createEventExecutor(federation, prepared, context),
        taken,
      );
    } catch (error) {
      taken[Symbol.dispose]();
      throw error;
    }
  };
  const openFeed = async (
    prepared: PreparedSubscription,
    key: string,
    window: TopicWindow,
    after: unknown,
    context: GatewayContext,
  ) => {
    const { topicField } = prepared;
    const feed = { prepared, key, window, topics, clock, log };
    if (after === null) return openLiveFeed(feed);
    if (!topicField.replay)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `${topicField.field} can not be resumed: nothing is stored.`,
      );
    const readPage = createReplay(federation, prepared, topicField.replay, key, context);
    return openResumedFeed({ ...feed, readPage, after: String(after) });
  };

  return {
    get count() {
      return quota.taken;
    },
    async subscribe(operation, context, { after = null } = {}) {
      try {
        return await open(operation, context, after);
      } catch (error) {
        const { message } = error as Error;
        return {
          errors: [
            error instanceof GraphQLError ? error : new GraphQLError(message, { originalError: error as Error }),
          ],
        };
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Each event's answer, in order: the next event waits for this one's fetches, other subscribers don't. */
function answers(
  events: AsyncGenerator<PrimaryAnswer, void, void>,
  execute: (event: PrimaryAnswer) => Promise<ExecutionResult>,
  taken: Disposable,
): AsyncGenerator<SubscriptionEvent, void, void> {
  return {
    async next() {
      const event = await events.next().catch((error: unknown) => {
        taken[Symbol.dispose]();
        throw error;
      });
      if (event.done) {
        taken[Symbol.dispose]();
        return { done: true, value: undefined };
      }
      return { done: false, value: { result: await execute(event.value), cursor: event.value.cursor } };
    },
    // Not an async generator function: its `return` would wait for a `next` that waits for an event.
    async return() {
      taken[Symbol.dispose]();
      await events.return();
      return { done: true, value: undefined };
    },
    async throw(error) {
      taken[Symbol.dispose]();
      await events.return();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      taken[Symbol.dispose]();
      await events.return();
    },
  };
}

import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionResult, GraphQLError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation, Operation } from '../federation.ts';
import { createEventExecutor } from './execute-event.ts';
import { openLiveFeed, openResumedFeed } from './feed.ts';
import { prepareSubscription } from './prepare.ts';
import { createReplay } from './replay.ts';
import { readTopicFields } from './topic-directive.ts';
import { openTopicWindow, type TopicWindow } from './topic-window.ts';

/** The core of topic-fed subscriptions, whatever the transport. */
export interface Subscriptions extends AsyncDisposable {
  /**
   * Subscribes: a stream of answers, or one answer with errors where it is refused (UNAUTHENTICATED,
   * FORBIDDEN, BAD_USER_INPUT, CURSOR_INVALID, SUBGRAPH_UNAVAILABLE, …). Returning the stream
   * unsubscribes.
   *
   * @param operation of kind subscription, validated against the federation's schema
   */
  subscribe(
    operation: Operation,
    context: GatewayContext,
  ): Promise<AsyncGenerator<ExecutionResult, void, void> | ExecutionResult>;
}

export interface SubscriptionsOptions {
  federation: Federation;
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Messages of each topic held in memory for those who resume. Default: 10,000. */
  windowSize?: number;
}

/** Starts one tail for each topic that the supergraph's Subscription fields name. */
export async function createSubscriptions({
  federation,
  topics,
  clock,
  log,
  windowSize = 10_000,
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

  const open = async (operation: Operation, context: GatewayContext) => {
    if (!context.identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in to subscribe.');
    const prepared = prepareSubscription(federation, topicFields, operation);
    const { topicField } = prepared;
    const key = context.identity.claims[topicField.claim];
    if (typeof key !== 'string')
      throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Your token lacks what this subscription goes by.');
    const window = windows.get(topicField.topic);
    if (!window) throw new Error(`no window of ${topicField.topic}`);
    const after = prepared.arguments.after ?? null;
    const feed = { prepared, key, window, topics, clock, log };
    const execute = createEventExecutor(federation, prepared, context);
    if (after === null) return answers(openLiveFeed(feed), execute);
    if (!topicField.replay)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `${topicField.field} can not be resumed: nothing is stored.`,
      );
    const readPage = createReplay(federation, prepared, topicField.replay, key, context);
    return answers(await openResumedFeed({ ...feed, readPage, after: String(after) }), execute);
  };

  return {
    async subscribe(operation, context) {
      try {
        return await open(operation, context);
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
function answers<Event>(
  events: AsyncGenerator<Event, void, void>,
  execute: (event: Event) => Promise<ExecutionResult>,
): AsyncGenerator<ExecutionResult, void, void> {
  return {
    async next() {
      const event = await events.next();
      return event.done ? { done: true, value: undefined } : { done: false, value: await execute(event.value) };
    },
    // Not an async generator function: its `return` would wait for a `next` that waits for an event.
    async return() {
      await events.return();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await events.return();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await events.return();
    },
  };
}

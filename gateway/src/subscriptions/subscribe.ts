import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type ExecutionResult, type GraphQLSchema, print, validate } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation, Operation } from '../federation.ts';
import { wrappedError } from '../wrapped-error.ts';
import { createEventExecutor, type PrimaryAnswer } from './execute-event.ts';
import { openLiveFeed, openResumedFeed } from './feed.ts';
import { mapped } from './mapped.ts';
import {
  type PreparedSubscription,
  prepareSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './prepare.ts';
import { createQuota } from './quota.ts';
import { createReplay } from './replay.ts';
import { readTopicFields, type TopicField } from './topic-directive.ts';
import { openTopicWindow, type TopicWindow } from './topic-window.ts';
import { asDownstreamError, type Upstreams } from './upstream.ts';

/** Whoever has not signed in counts as one. */
const anonymous = ' anonymous';

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
  /** Opens what the Subscription fields of another supergraph need. Throws Error for a field that can't be served. */
  prepareFor(supergraph: GraphQLSchema): Promise<void>;
  /**
   * Plans every running subscription anew, by the federation's supergraph as it is now. One that does not fit any
   * more ends with SUBSCRIPTION_SCHEMA_RELOAD.
   */
  replan(): void;
}

export interface SubscriptionsOptions {
  federation: Federation;
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Where fields that no topic feeds are subscribed; without it they are refused. */
  upstreams?: Upstreams;
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
  upstreams,
  windowSize = 10_000,
  maxPerUser = 200,
}: SubscriptionsOptions): Promise<Subscriptions> {
  await using releases = new AsyncDisposableStack();
  const windows = new Map<string, { window: TopicWindow; matches: Set<string> }>();
  const prepareFor = async (supergraph: GraphQLSchema, stack: AsyncDisposableStack) => {
    for (const { topic, match } of readTopicFields(supergraph).values()) {
      const known = windows.get(topic);
      known?.matches.add(match);
      if (known) continue;
      const matches = new Set([match]);
      const window = stack.use(await openTopicWindow({ topics, topic, matches, size: windowSize, log }));
      windows.set(topic, { window, matches });
    }
  };
  await prepareFor(federation.supergraph, releases);
  let topicFields = readTopicFields(federation.supergraph);
  const running = new Set<Running>();
  const owned = releases.move();
  const quota = createQuota(maxPerUser);

  const open = async (operation: Operation, context: GatewayContext, resumeAfter: string | null) => {
    const prepared = prepareSubscription(federation, topicFields, operation);
    using resources = new DisposableStack();
    resources.use(quota.take(context.identity?.userId ?? anonymous));
    const queue =
      prepared.topicField === null
        ? openUpstream(prepared, context, resumeAfter)
        : await openFeed(prepared, context, resumeAfter);
    const execute = createEventExecutor(federation, prepared, context);
    const subscription: Running = { operation, context, prepared, end: queue.end, execute };
    running.add(subscription);
    resources.defer(() => running.delete(subscription));
    const owned = resources.move();
    return mapped(
      queue.events,
      async (event) => ({
        // What a replay answered was selected by the plan of its time.
        result: await ('answered' in event ? execute(event) : subscription.execute(event)),
        cursor: event.cursor,
      }),
      () => owned.dispose(),
    );
  };
  const replan = (subscription: Running) => {
    const { operation, context, prepared } = subscription;
    try {
      if (validate(federation.schema, operation.document).length > 0) throw new Error('it is not valid any more');
      const anew = prepareSubscription(federation, topicFields, operation);
      if (sourceOf(anew) !== sourceOf(prepared)) throw new Error('it is fed by something else');
      subscription.execute = createEventExecutor(federation, anew, context);
    } catch (error) {
      log.info({ error }, 'a subscription does not fit the new supergraph');
      subscription.end(
        new CodedError<PublicErrorCode>(
          'SUBSCRIPTION_SCHEMA_RELOAD',
          'The schema has changed, and this subscription does not fit it any more: subscribe again.',
        ),
      );
    }
  };
  const openUpstream = (prepared: UpstreamSubscription, { authorization }: GatewayContext, after: string | null) => {
    if (!upstreams)
      throw new CodedError<PublicErrorCode>(
        'GRAPHQL_VALIDATION_FAILED',
        `Subscription.${prepared.primary.field.name.value} is fed by nothing.`,
      );
    if (after !== null) throw notResumable(prepared);
    const { document, subgraph } = prepared.primary;
    const given = prepared.operation.variables ?? {};
    const names = usedVariables(document, document).map((definition) => definition.variable.name.value);
    const { events, ...queue } = upstreams.subscribe({
      subgraph,
      query: print(document),
      variables: Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]])),
      authorization,
    });
    return { ...queue, events: upstreamAnswers(events, prepared.responseKey) };
  };
  const openFeed = async (prepared: TopicSubscription, context: GatewayContext, resumeAfter: string | null) => {
    const { topicField } = prepared;
    if (!context.identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in to subscribe.');
    const key = context.identity.claims[topicField.claim];
    if (typeof key !== 'string')
      throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Your token lacks what this subscription goes by.');
    const window = windows.get(topicField.topic)?.window;
    if (!window) throw new Error(`no window of ${topicField.topic}`);
    const after = resumeAfter ?? prepared.arguments.after ?? null;
    const feed = { prepared, key, window, topics, clock, log };
    if (after === null) return openLiveFeed(feed);
    if (!topicField.replay) throw notResumable(prepared);
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
        return { errors: [wrappedError(error)] };
      }
    },
    prepareFor: (supergraph) => prepareFor(supergraph, owned),
    replan() {
      topicFields = readTopicFields(federation.supergraph);
      for (const subscription of [...running]) replan(subscription);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A subscription that stands. */
interface Running {
  operation: Operation;
  context: GatewayContext;
  prepared: PreparedSubscription & { topicField: TopicField | null };
  execute(event: PrimaryAnswer): Promise<ExecutionResult>;
  end(error: unknown): void;
}

/** What feeds a subscription, and how: it can go on only while that is the same. */
function sourceOf({ topicField, primary, responseKey }: Running['prepared']): string {
  return JSON.stringify(
    topicField
      ? [topicField.topic, topicField.match, topicField.claim, topicField.isEdge, responseKey]
      : [primary.subgraph, print(primary.document)],
  );
}

function notResumable({ primary }: PreparedSubscription): CodedError {
  return new CodedError<PublicErrorCode>(
    'BAD_USER_INPUT',
    `${primary.field.name.value} can not be resumed: nothing is stored.`,
  );
}

/** A subgraph's answers as answers to the primary fetch. */
function upstreamAnswers(
  results: AsyncGenerator<ExecutionResult, void, void>,
  responseKey: string,
): AsyncGenerator<PrimaryAnswer, void, void> {
  return mapped(results, async ({ data, errors }) => ({
    cursor: null,
    answered: data?.[responseKey],
    ...(errors && { errors: errors.map(asDownstreamError) }),
  }));
}

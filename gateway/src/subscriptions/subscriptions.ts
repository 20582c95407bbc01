import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation/federation.ts';
import type { Preparation } from '../federation/reloadable-federation.ts';
import type { Upstreams } from '../federation/subgraph-subscriptions.ts';
import { createResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { coerceVariables } from '../request/variables.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import { ActiveSubscription, type Subscription } from './active-subscription.ts';
import { afterOf, afterVariable, type TopicSubscription } from './plan/plan-subscription.ts';
import { readTopicFields, type TopicField } from './plan/topic-directive.ts';
import { createQuota } from './quota.ts';
import { prepareReload } from './reload.ts';
import { type CatchUp, openCatchUp } from './resume/catch-up.ts';
import { createStoredPageReader, type ReadStoredPage } from './resume/stored-page.ts';
import { SharedOperation, type SharedOperationEnvironment } from './shared-operation.ts';
import type { MessageBounds } from './topic/message-buffer.ts';
import { createTopicFeeds } from './topic-feeds.ts';

/** The core of topic-fed subscriptions, whatever the transport. */
export interface Subscriptions extends AsyncDisposable {
  /** Number of active subscriptions. */
  readonly count: number;
  /**
   * Admits a subscription.
   *
   * @param operation a prepared operation of type subscription
   * @param options.after the transport's cursor to resume after, such as `Last-Event-ID`. It replaces the field's own
   *   argument
   * @throws CodedError or GraphQLError if it is refused: UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT, CURSOR_INVALID,
   *   RATE_LIMITED, SUBGRAPH_UNAVAILABLE, …
   */
  subscribe(operation: Operation, context: GatewayContext, options?: { after?: string | null }): Promise<Subscription>;
  /**
   * Prepares for another supergraph: opens the feeds of its fields, and plans every active subscription by it. One that is
   * not valid there ends with SUBSCRIPTION_SCHEMA_RELOAD.
   *
   * @throws Error for a field that can't be served
   */
  prepareFor(next: Federation): Promise<Preparation>;
}

export interface SubscriptionsOptions {
  /** The current federation. */
  federation: { readonly current: Federation };
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Serves fields without a topic. Default: they are refused. */
  upstreams?: Upstreams;
  /** Recent messages per topic in memory, to resume from. Default: 10,000, and 64 MiB. */
  recentBounds?: MessageBounds;
  /** Bytes of messages that one scan of a topic collects, for those who resume from before those. Default: 64 MiB. */
  maxScanBytes?: number;
  /** Concurrent subscriptions per user; more are RATE_LIMITED. Default: 200. */
  maxPerUser?: number;
}

/** Starts one tail per topic that the supergraph's Subscription fields name. */
export async function createSubscriptions({
  federation,
  topics,
  clock,
  log,
  upstreams,
  recentBounds = { maxCount: 10_000, maxBytes: 67_108_864 },
  maxScanBytes = 67_108_864,
  maxPerUser = 200,
}: SubscriptionsOptions): Promise<Subscriptions> {
  await using releases = new AsyncDisposableStack();
  const topicFields = new WeakMap<Federation, ReadonlyMap<string, TopicField>>();
  const topicFieldsOf = (of: Federation) => {
    const fields = topicFields.get(of) ?? readTopicFields(of.supergraph);
    topicFields.set(of, fields);
    return fields;
  };
  const feeds = releases.use(createTopicFeeds({ topics, recentBounds, maxScanBytes, log }));
  (await feeds.prepareFor(topicFieldsOf(federation.current).values())).commit();
  const owned = releases.move();
  const quota = createQuota(maxPerUser);
  /** Operations with subscriptions, by text, then name: the key is the same after a reload. */
  const sharedByText = new Map<string, Map<string, SharedOperation>>();
  const running = new Set<SharedOperation>();

  const formatter = createResultFormatter(log);
  const environment: SharedOperationEnvironment = {
    formatter,
    log,
    ...(upstreams && { upstreams }),
    topicFieldsOf,
    recentMessagesOf: ({ topicField }) => feeds.get(topicField.topic).recent,
    onUsed(shared) {
      const { text } = shared.operation;
      const sharedByName = sharedByText.get(text) ?? new Map<string, SharedOperation>();
      sharedByText.set(text, sharedByName.set(shared.name, shared));
      running.add(shared);
    },
    onUnused(shared) {
      const { text } = shared.operation;
      const sharedByName = sharedByText.get(text);
      if (sharedByName?.get(shared.name) === shared) sharedByName.delete(shared.name);
      if (sharedByName?.size === 0) sharedByText.delete(text);
      running.delete(shared);
    },
  };
  const sharedOperationOf = (requested: Operation, variables: Record<string, unknown>): SharedOperation => {
    const operation = { ...requested, variables };
    const fields = topicFieldsOf(operation.federation);
    const { [afterVariable(fields, operation) ?? '']: _after, ...sharedVariables } = variables;
    const name = JSON.stringify([operation.operationName ?? null, sharedVariables]);
    return sharedByText.get(operation.text)?.get(name) ?? new SharedOperation(operation, name, environment);
  };
  /** Value of the subscriber's claim. Throws if the client may not subscribe. */
  const keyOf = ({ planned: { topicField, primary } }: SharedOperation, identity: Identity | null): string => {
    if (topicField === null) {
      if (upstreams) return '';
      throw new CodedError<PublicErrorCode>(
        'GRAPHQL_VALIDATION_FAILED',
        `Subscription.${primary.field.name.value} is fed by nothing.`,
      );
    }
    if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in to subscribe.');
    const key = identity.claims[topicField.claim];
    if (typeof key === 'string') return key;
    throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Your token lacks what this subscription goes by.');
  };
  const openMissed = async (
    shared: SharedOperation,
    key: string,
    after: string,
    context: GatewayContext,
  ): Promise<CatchUp> => {
    const { planned } = shared;
    if (!planned.topicField?.replay)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `${planned.primary.field.name.value} can not be resumed: nothing is stored.`,
      );
    const { recent, scan } = feeds.get(planned.topicField.topic);
    // A reload keeps the topic of an operation, or ends it.
    const current = () => shared.planned as TopicSubscription;
    let reader: { planned: TopicSubscription; readStoredPage: ReadStoredPage } | null = null;
    const readStoredPage: ReadStoredPage = async (from, first) => {
      const planned = current();
      const { replay } = planned.topicField;
      if (!replay) throw new Error('a subscription lost its stored history');
      if (reader?.planned !== planned)
        reader = { planned, readStoredPage: createStoredPageReader({ planned, replay, key, context, log }) };
      return reader.readStoredPage(from, first);
    };
    return openCatchUp({ planned: current, key, recent, scan, clock, log, readStoredPage, after });
  };

  return {
    get count() {
      return quota.taken;
    },
    async subscribe(requested, context, { after = null } = {}) {
      let operation = requested;
      // The supergraph may have been reloaded since the operation was prepared, and again while it is planned.
      while (operation.federation !== federation.current)
        operation = await planFor(federation.current, operation, context);
      const { schema, hideSuggestions } = operation.federation;
      const variables = coerceVariables(schema, operation.definition, operation.variables, hideSuggestions);
      const shared = sharedOperationOf(operation, variables);
      const key = keyOf(shared, context.identity);
      using undo = new DisposableStack();
      const subscription = undo.use(new ActiveSubscription(shared, key, context, quota));
      const resumeAfter = after ?? afterOf(shared.planned, variables);
      if (resumeAfter !== null)
        try {
          subscription.resumeWith(await openMissed(shared, key, resumeAfter, context));
        } catch (error) {
          // If a reload has retired the operation meanwhile, the subscription ends with that error when it starts.
          if (!shared.endedWith) throw error;
        }
      undo.move();
      return subscription;
    },
    prepareFor: async (next) =>
      prepareReload({ next, topicFields: topicFieldsOf(next), running, feeds, formatter, log }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Plans the operation by another supergraph. Rejects if it is not valid there. */
async function planFor(
  federation: Federation,
  operation: Operation,
  { clientAddress, signal }: GatewayContext,
): Promise<Operation> {
  const { text, operationName, conditions } = operation;
  const requester = requesterOf({ clientAddress, signal });
  const { plan } = await federation.planner.plan({ text, operationName, conditions }, requester);
  return { ...operation, plan, federation };
}

import type { Clock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { Log } from '@voucher-gateway/platform/process/log';
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
import { openMissed } from './open-missed.ts';
import { afterOf } from './plan/plan-subscription.ts';
import { readTopicFields, type TopicField } from './plan/topic-directive.ts';
import { createQuota } from './quota.ts';
import { prepareReload } from './reload.ts';
import type { SharedOperation } from './shared-operation.ts';
import { createSharedOperations } from './shared-operations.ts';
import type { MessageBounds } from './topic/message-buffer.ts';
import { createTopicFeeds } from './topic-feeds.ts';

/** Admits and counts the subscriptions of all transports. */
export interface Subscriptions extends AsyncDisposable {
  /** Number of active subscriptions. */
  readonly count: number;
  /**
   * Admits a subscription.
   *
   * @param operation a prepared operation of type subscription
   * @param options.after a cursor from the transport, such as `Last-Event-ID`; replaces the field's argument `after`
   * @throws CodedError or GraphQLError if the subscription is refused: UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT,
   *   CURSOR_INVALID, RATE_LIMITED, SUBGRAPH_UNAVAILABLE, …
   */
  subscribe(operation: Operation, context: GatewayContext, options?: { after?: string | null }): Promise<Subscription>;
  /**
   * Prepares for a reload of the supergraph: opens the topics of the next supergraph's fields, and plans every active
   * subscription with the next supergraph. A subscription that is invalid in the next supergraph ends with
   * SUBSCRIPTION_SCHEMA_RELOAD.
   *
   * @throws Error if a field's `@topic` is invalid
   */
  prepareFor(next: Federation): Promise<Preparation>;
}

export interface SubscriptionsOptions {
  /** The current federation. */
  federation: { readonly current: Federation };
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Serves Subscription fields without a topic. Default: these fields are refused. */
  upstreams?: Upstreams;
  /** Limits of the recent messages per topic, from which subscribers resume. Default: 10,000 messages and 64 MiB. */
  recentBounds?: MessageBounds;
  /** Limit of the bytes that one topic scan collects. Default: 64 MiB. */
  maxScanBytes?: number;
  /** Limit of concurrent subscriptions per user. Further ones are refused with RATE_LIMITED. Default: 200. */
  maxPerUser?: number;
}

/**
 * Creates the `Subscriptions` that all transports share. Each topic that a Subscription field names gets one tail: a
 * reader of the topic's new messages.
 */
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
  const formatter = createResultFormatter(log);
  const sharedOperations = createSharedOperations({
    formatter,
    log,
    ...(upstreams && { upstreams }),
    topicFieldsOf,
    recentMessagesOf: ({ topicField }) => feeds.get(topicField.topic).recent,
  });
  return {
    get count() {
      return quota.taken;
    },
    async subscribe(requested, context, { after = null } = {}) {
      let operation = requested;
      // The supergraph may have been reloaded after the operation was prepared. Another reload is possible during
      // `planFor`, so the check is repeated.
      while (operation.federation !== federation.current)
        operation = await planFor(federation.current, operation, context);
      const { schema, hideSuggestions } = operation.federation;
      const variables = coerceVariables(schema, operation.definition, operation.variables, hideSuggestions);
      const shared = sharedOperations.get(operation, variables);
      const claimValue = readClaimValue(shared, context.identity, upstreams);
      using undo = new DisposableStack();
      const subscription = undo.use(new ActiveSubscription(shared, claimValue, context, quota));
      const resumeAfter = after ?? afterOf(shared.planned, variables);
      if (resumeAfter !== null)
        try {
          subscription.resumeWith(
            await openMissed({ shared, claimValue, after: resumeAfter, context, feeds, clock, log }),
          );
        } catch (error) {
          // If a reload has ended the operation during the catch-up, the error is dropped. `ActiveSubscription.start`
          // then ends the subscription with SUBSCRIPTION_SCHEMA_RELOAD.
          if (!shared.endedWith) throw error;
        }
      undo.move();
      return subscription;
    },
    prepareFor: async (next) =>
      prepareReload({
        next,
        topicFields: topicFieldsOf(next),
        running: sharedOperations.running,
        feeds,
        formatter,
        log,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Plans the operation with another supergraph. Rejects if the operation is invalid in that supergraph. */
async function planFor(federation: Federation, operation: Operation, context: GatewayContext): Promise<Operation> {
  const { text, operationName, conditions } = operation;
  const { clientAddress, signal } = context;
  const requester = requesterOf({ clientAddress, signal });
  const variant = federation.planVariant(context);
  const { plan } = await federation.planner.plan({ text, operationName, conditions, variant }, requester);
  return { ...operation, plan, variant, federation };
}

/**
 * Returns the value of the subscriber's claim, which selects the messages for this subscriber. Returns an empty text
 * for a field without a topic.
 *
 * @throws CodedError UNAUTHENTICATED, FORBIDDEN; GRAPHQL_VALIDATION_FAILED for a field that has neither a topic nor a
 *   subgraph that serves it
 */
function readClaimValue(
  { planned: { topicField, primary } }: SharedOperation,
  identity: Identity | null,
  upstreams: Upstreams | undefined,
): string {
  if (topicField === null) {
    if (upstreams) return '';
    throw new CodedError<PublicErrorCode>(
      'GRAPHQL_VALIDATION_FAILED',
      `Subscription.${primary.field.name.value} is fed by nothing.`,
    );
  }
  if (!identity) throw new CodedError<PublicErrorCode>('UNAUTHENTICATED', 'Sign in to subscribe.');
  const value = identity.claims[topicField.claim];
  if (typeof value === 'string') return value;
  throw new CodedError<PublicErrorCode>('FORBIDDEN', 'Your token lacks what this subscription goes by.');
}

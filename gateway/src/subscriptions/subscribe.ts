import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { DocumentNode } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation.ts';
import { createResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { coerceVariables } from '../operations/variables.ts';
import { Admission, type Subscription } from './admission.ts';
import { type CatchUp, openCatchUp } from './catch-up.ts';
import type { MessageBounds } from './held-messages.ts';
import { Plan, type PlanEnvironment } from './plan.ts';
import { afterOf, afterVariable, type TopicSubscription } from './prepare.ts';
import { createQuota } from './quota.ts';
import { createReplay } from './replay.ts';
import { createTopicBacklog, type TopicBacklog } from './topic-backlog.ts';
import { readTopicFields } from './topic-directive.ts';
import { openTopicWindow, type TopicWindow } from './topic-window.ts';
import type { Upstreams } from './upstream.ts';

/** The core of topic-fed subscriptions, whatever the transport. */
export interface Subscriptions extends AsyncDisposable {
  /** Subscriptions that stand right now. */
  readonly count: number;
  /**
   * Lets a subscription in.
   *
   * @param operation of kind subscription, as the pipeline prepared it
   * @param options.after cursor to resume behind, in place of the field's own argument: a transport's, such as
   *   `Last-Event-ID`
   * @throws CodedError or GraphQLError where it is refused: UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT,
   *   CURSOR_INVALID, RATE_LIMITED, SUBGRAPH_UNAVAILABLE, …
   */
  subscribe(operation: Operation, context: GatewayContext, options?: { after?: string | null }): Promise<Subscription>;
  /**
   * Opens what the Subscription fields of another supergraph need, and plans every running subscription by it.
   *
   * @returns the switch to it, for the step in which the supergraph is replaced. A subscription that does not fit the
   *   new one ends with SUBSCRIPTION_SCHEMA_RELOAD
   * @throws Error for a field that can't be served
   */
  prepareFor(next: Federation): Promise<() => void>;
}

export interface SubscriptionsOptions {
  /** The federation that is served now. */
  federation: { readonly current: Federation };
  topics: Topics;
  clock: Clock;
  log: Log;
  /** Where fields that no topic feeds are subscribed; without it they are refused. */
  upstreams?: Upstreams;
  /** Messages of each topic held in memory for those who resume. Default: 10,000, and 64 MiB. */
  windowBounds?: MessageBounds;
  /** Bytes of messages that one reading of a topic collects for those who resume from further back. Default: 64 MiB. */
  maxScanBytes?: number;
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
  windowBounds = { maxCount: 10_000, maxBytes: 67_108_864 },
  maxScanBytes = 67_108_864,
  maxPerUser = 200,
}: SubscriptionsOptions): Promise<Subscriptions> {
  await using releases = new AsyncDisposableStack();
  const feeds = new Map<string, { window: TopicWindow; backlog: TopicBacklog; matches: Set<string> }>();
  const openFeeds = async ({ supergraph }: Federation, stack: AsyncDisposableStack) => {
    for (const { topic, match } of readTopicFields(supergraph).values()) {
      const known = feeds.get(topic);
      known?.matches.add(match);
      if (known) continue;
      const matches = new Set([match]);
      const window = stack.use(await openTopicWindow({ topics, topic, matches, bounds: windowBounds, log }));
      feeds.set(topic, { window, backlog: createTopicBacklog({ topics, topic, maxBytes: maxScanBytes }), matches });
    }
  };
  await openFeeds(federation.current, releases);
  const owned = releases.move();
  const quota = createQuota(maxPerUser);
  // A document is one object for all who send its text.
  const plansOf = new WeakMap<DocumentNode, Map<string, Plan>>();
  const running = new Set<Plan>();

  const feedOf = ({ topicField }: TopicSubscription) => {
    const feed = feeds.get(topicField.topic);
    if (!feed) throw new Error(`nothing reads ${topicField.topic}`);
    return feed;
  };
  const environment: PlanEnvironment = {
    formatter: createResultFormatter(log),
    log,
    ...(upstreams && { upstreams }),
    topicFields: readTopicFields(federation.current.supergraph),
    windowOf: (prepared) => feedOf(prepared).window,
    onUsed(plan) {
      const { document } = plan.operation;
      const plans = plansOf.get(document) ?? new Map<string, Plan>();
      plansOf.set(document, plans.set(plan.name, plan));
      running.add(plan);
    },
    onUnused(plan) {
      plansOf.get(plan.operation.document)?.delete(plan.name);
      running.delete(plan);
    },
  };
  const planOf = (asked: Operation, variables: Record<string, unknown>): Plan => {
    const operation = { ...asked, variables };
    const { [afterVariable(environment.topicFields, operation) ?? '']: _after, ...shared } = variables;
    const name = JSON.stringify([operation.operationName ?? null, shared]);
    return plansOf.get(operation.document)?.get(name) ?? new Plan(operation, name, environment);
  };
  /** The subscriber's own claim. Throws where the subscription is not for it. */
  const keyOf = ({ prepared: { topicField, primary } }: Plan, identity: Identity | null): string => {
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
    { prepared }: Plan,
    key: string,
    after: string,
    context: GatewayContext,
  ): Promise<CatchUp> => {
    if (!prepared.topicField?.replay)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `${prepared.primary.field.name.value} can not be resumed: nothing is stored.`,
      );
    const { replay } = prepared.topicField;
    const readPage = createReplay({ prepared, replay, key, context, log });
    const { window, backlog } = feedOf(prepared);
    return openCatchUp({ prepared, key, window, backlog, clock, log, readPage, after });
  };

  return {
    get count() {
      return quota.taken;
    },
    async subscribe(requested, context, { after = null } = {}) {
      // Another supergraph may be served since it was prepared.
      const operation =
        requested.federation === federation.current ? requested : await planFor(federation.current, requested);
      const { schema, hideSuggestions } = operation.federation;
      const variables = coerceVariables(schema, operation.definition, operation.variables, hideSuggestions);
      const plan = planOf(operation, variables);
      const key = keyOf(plan, context.identity);
      using undo = new DisposableStack();
      const admission = undo.use(new Admission(plan, key, context, quota));
      const resumeAfter = after ?? afterOf(plan.prepared, variables);
      if (resumeAfter !== null) admission.resumeWith(await openMissed(plan, key, resumeAfter, context));
      undo.move();
      return admission;
    },
    async prepareFor(next) {
      await openFeeds(next, owned);
      const planned = new Map<Plan, Operation | Error>();
      // Some may be added while others are planned.
      for (let missing = [...running]; missing.length > 0; missing = [...running].filter((plan) => !planned.has(plan)))
        for (const plan of missing)
          planned.set(plan, await planFor(next, plan.operation).catch((error: unknown) => error as Error));
      return () => {
        environment.topicFields = readTopicFields(next.supergraph);
        for (const plan of [...running]) plan.replan(planned.get(plan) ?? new Error('it was not planned'));
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The operation planned by another supergraph. Rejects where it is not valid there. */
async function planFor(federation: Federation, operation: Operation): Promise<Operation> {
  const { text, operationName, conditions } = operation;
  const { plan } = await federation.planner.plan({ text, operationName, conditions });
  return { ...operation, plan, federation };
}

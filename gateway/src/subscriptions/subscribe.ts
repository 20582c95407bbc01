import { createHash } from 'node:crypto';
import type { Clock } from '@voucher-gateway/platform/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type DocumentNode, type GraphQLSchema, print, validate } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation, Operation } from '../federation.ts';
import { createResultFormatter } from '../format-result.ts';
import { type CatchUp, isStored, openCatchUp } from './catch-up.ts';
import { executeEvent, type PrimaryAnswer } from './execute-event.ts';
import {
  afterOf,
  afterVariable,
  coerceVariables,
  type PreparedSubscription,
  prepareSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './prepare.ts';
import { createQuota } from './quota.ts';
import { createReplay } from './replay.ts';
import { SharedSubscription } from './shared-subscription.ts';
import type { Subscriber } from './subscriber.ts';
import { readTopicFields } from './topic-directive.ts';
import { answerOf, isFor, isRepeat } from './topic-message.ts';
import { idOf, openTopicWindow, type TopicWindow } from './topic-window.ts';
import { asDownstreamError, type Upstreams } from './upstream.ts';

/** Whoever has not signed in counts as one. */
const anonymous = ' anonymous';

/** A subscription that was let in. Disposing unsubscribes. */
export interface Subscription extends Disposable {
  /** Gives the subscriber its answers, from now on. Once. */
  start(subscriber: Subscriber): void;
}

/** The core of topic-fed subscriptions, whatever the transport. */
export interface Subscriptions extends AsyncDisposable {
  /** Subscriptions that stand right now. */
  readonly count: number;
  /**
   * Lets a subscription in.
   *
   * @param operation of kind subscription, validated against the federation's schema
   * @param options.after cursor to resume behind, in place of the field's own argument: a transport's, such as
   *   `Last-Event-ID`
   * @throws CodedError or GraphQLError where it is refused: UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT,
   *   CURSOR_INVALID, RATE_LIMITED, SUBGRAPH_UNAVAILABLE, …
   */
  subscribe(operation: Operation, context: GatewayContext, options?: { after?: string | null }): Promise<Subscription>;
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

type AnySubscription = TopicSubscription | UpstreamSubscription;

/** What all who send the same operation share. */
interface Plan {
  operation: Operation;
  /** As it is planned by now. */
  prepared: AnySubscription;
  /** The live ones, by what of the identity counts. */
  readonly shared: Map<string, SharedSubscription>;
  /** Ends those that have not caught up yet. */
  readonly catchingUp: Set<(error: unknown) => void>;
  /** Subscriptions, the live ones and those that catch up. */
  count: number;
  /** Called when the last of them has ended. */
  onEmpty(): void;
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
  const owned = releases.move();
  const quota = createQuota(maxPerUser);
  const { formatResult, formatErrors } = createResultFormatter(log);
  // A document is one object for all who send its text.
  const plansOf = new WeakMap<DocumentNode, Map<string, Plan>>();
  const running = new Set<Plan>();

  const windowOf = ({ topicField }: TopicSubscription): TopicWindow => {
    const window = windows.get(topicField.topic)?.window;
    if (!window) throw new Error(`no window of ${topicField.topic}`);
    return window;
  };
  const answer = (
    prepared: PreparedSubscription,
    event: PrimaryAnswer,
    context: GatewayContext,
  ): string | Promise<string> => {
    const result = executeEvent(federation, prepared, event, context);
    return result instanceof Promise
      ? result.then((answered) => JSON.stringify(formatResult(answered)))
      : JSON.stringify(formatResult(result));
  };

  const planOf = (asked: Operation): { plan: Plan; variables: Record<string, unknown> } => {
    const variables = coerceVariables(federation, asked);
    const operation = { ...asked, variables };
    const plans = plansOf.get(operation.document) ?? new Map<string, Plan>();
    plansOf.set(operation.document, plans);
    const { [afterVariable(topicFields, operation) ?? '']: _after, ...shared } = variables;
    const name = JSON.stringify([operation.operationName ?? null, shared]);
    const known = plans.get(name);
    if (known) return { plan: known, variables };
    const plan: Plan = {
      operation,
      prepared: prepareSubscription(federation, topicFields, operation),
      shared: new Map(),
      catchingUp: new Set(),
      count: 0,
      onEmpty() {
        running.delete(plan);
        if (plans.get(name) === plan) plans.delete(name);
      },
    };
    plans.set(name, plan);
    running.add(plan);
    return { plan, variables };
  };
  const sharedBy = (plan: Plan, key: string, identity: Identity | null): SharedSubscription => {
    const who = fingerprint(identity);
    const known = plan.shared.get(who);
    if (known) return known;
    const shared = new SharedSubscription({
      open: (shared, context) => openSource(plan, key, shared, context),
      answer: (event, context) => answer(plan.prepared, event, context),
      failure: formatErrors,
      onEnd: () => plan.shared.delete(who),
    });
    plan.shared.set(who, shared);
    return shared;
  };
  const openSource = (
    { prepared }: Plan,
    key: string,
    shared: SharedSubscription,
    context: GatewayContext,
  ): Disposable => {
    if (prepared.topicField === null) return openUpstream(prepared, shared, context);
    const { match, replay } = prepared.topicField;
    return windowOf(prepared).listen(match, key, (message) => {
      if (!isFor(prepared, key, message.value)) return;
      const id = idOf(message);
      shared.push({
        id,
        answer: answerOf(prepared, message),
        ...(replay &&
          id !== null &&
          isRepeat(message) && {
            isKnown: (asker) => isStored(createReplay(federation, prepared, replay, key, asker), id),
          }),
      });
    });
  };
  const openUpstream = (prepared: UpstreamSubscription, shared: SharedSubscription, context: GatewayContext) => {
    if (!upstreams) throw new Error('no upstreams');
    return upstreams.subscribe(
      { ...upstreamRequest(prepared), authorization: context.authorization },
      {
        next: ({ data, errors }) =>
          shared.push({
            id: null,
            answer: {
              cursor: null,
              answered: data?.[prepared.responseKey],
              ...(errors && { errors: errors.map(asDownstreamError) }),
            },
          }),
        fail: (error) => shared.end(formatErrors(error)),
        complete: () => shared.complete(),
      },
    );
  };
  /** The subscriber's own claim. Throws where the subscription is not for it. */
  const keyOf = ({ topicField, primary }: AnySubscription, identity: Identity | null): string => {
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
    prepared: AnySubscription,
    key: string,
    after: string,
    context: GatewayContext,
  ): Promise<CatchUp> => {
    if (!prepared.topicField?.replay)
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `${prepared.primary.field.name.value} can not be resumed: nothing is stored.`,
      );
    const readPage = createReplay(federation, prepared, prepared.topicField.replay, key, context);
    return openCatchUp({ prepared, key, window: windowOf(prepared), topics, clock, log, readPage, after });
  };

  const letIn = (
    plan: Plan,
    key: string,
    context: GatewayContext,
    missed: CatchUp | null,
    place: Disposable,
  ): Subscription => {
    // What is stored was asked for by the plan of its time.
    const { prepared } = plan;
    let leave = () => {};
    let hasEnded = false;
    const goLive = (subscriber: Subscriber, sent: Set<string> | null) => {
      if (hasEnded) return;
      const member = sharedBy(plan, key, context.identity).join(subscriber, context, sent);
      leave = () => member[Symbol.dispose]();
    };
    const catchUp = (subscriber: Subscriber, { sendAll }: CatchUp) => {
      const leaving = new AbortController();
      const { signal } = leaving;
      const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      const end = (error: unknown) => subscriber.end(formatErrors(error));
      plan.catchingUp.add(end);
      leave = () => {
        plan.catchingUp.delete(end);
        leaving.abort();
      };
      sendAll({
        signal,
        async send(event) {
          signal.throwIfAborted();
          const answered = await answer('answered' in event ? prepared : plan.prepared, event, context);
          signal.throwIfAborted();
          subscriber.next(answered, event.cursor);
          // A slow reader is waited for, so that what it is behind stays in the store and not in memory.
          await Promise.race([subscriber.flushed(), left]);
        },
        goLive(sent) {
          plan.catchingUp.delete(end);
          goLive(subscriber, sent);
        },
      }).catch((error: unknown) => {
        if (!hasEnded) end(error);
      });
    };
    return {
      start(subscriber) {
        if (missed) catchUp(subscriber, missed);
        else goLive(subscriber, null);
      },
      [Symbol.dispose]() {
        if (hasEnded) return;
        hasEnded = true;
        leave();
        place[Symbol.dispose]();
        release(plan);
      },
    };
  };
  const release = (plan: Plan) => {
    plan.count -= 1;
    if (plan.count === 0) plan.onEmpty();
  };

  const replan = (plan: Plan) => {
    const before = plan.prepared;
    try {
      if (validate(federation.schema, plan.operation.document).length > 0) throw new Error('it is not valid any more');
      const anew = prepareSubscription(federation, topicFields, plan.operation);
      const isFedOtherwise = sourceOf(before) !== sourceOf(anew);
      if (isFedOtherwise && (before.topicField || anew.topicField)) throw new Error('it is fed by something else');
      plan.prepared = anew;
      if (isFedOtherwise) for (const shared of plan.shared.values()) shared.reopen();
    } catch (error) {
      log.info({ error }, 'a subscription does not fit the new supergraph');
      const ended = new CodedError<PublicErrorCode>(
        'SUBSCRIPTION_SCHEMA_RELOAD',
        'The schema has changed, and this subscription does not fit it any more: subscribe again.',
      );
      for (const shared of [...plan.shared.values()]) shared.end(formatErrors(ended));
      for (const end of [...plan.catchingUp]) end(ended);
    }
  };

  return {
    get count() {
      return quota.taken;
    },
    async subscribe(operation, context, { after = null } = {}) {
      const { plan, variables } = planOf(operation);
      plan.count += 1;
      using undo = new DisposableStack();
      undo.defer(() => release(plan));
      const place = undo.use(quota.take(context.identity?.userId ?? anonymous));
      const key = keyOf(plan.prepared, context.identity);
      const resumeAfter = after ?? afterOf(federation, plan.prepared, variables);
      const missed = resumeAfter === null ? null : await openMissed(plan.prepared, key, resumeAfter, context);
      undo.move();
      return letIn(plan, key, context, missed, place);
    },
    prepareFor: (supergraph) => prepareFor(supergraph, owned),
    replan() {
      topicFields = readTopicFields(federation.supergraph);
      for (const plan of [...running]) replan(plan);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What feeds a subscription, and how. */
function sourceOf(prepared: AnySubscription): string {
  const { topicField, responseKey } = prepared;
  return JSON.stringify(
    topicField
      ? [topicField.topic, topicField.match, topicField.claim, topicField.isEdge, responseKey]
      : upstreamRequest(prepared),
  );
}

/** What its subgraph is asked, whoever asks. */
function upstreamRequest({ primary, operation }: PreparedSubscription) {
  const { document, subgraph } = primary;
  const given = operation.variables ?? {};
  const names = usedVariables(document, document).map((definition) => definition.variable.name.value);
  return {
    subgraph,
    query: print(document),
    variables: Object.fromEntries(names.filter((name) => name in given).map((name) => [name, given[name]])),
  };
}

/** Claims that tell sessions of the same user apart. */
const ofTheSession: ReadonlySet<string> = new Set(['sid', 'iat', 'exp', 'nbf', 'jti']);

/** Equal for those whom every subgraph answers the same: all claims but the session's own. */
function fingerprint(identity: Identity | null): string {
  if (!identity) return '';
  const claims = Object.entries(identity.claims)
    .filter(([name]) => !ofTheSession.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(claims)).digest('base64');
}

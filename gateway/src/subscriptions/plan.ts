import { createHash } from 'node:crypto';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type GraphQLFormattedError, print } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { ResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { executeEvent, type PrimaryAnswer } from './execute-event.ts';
import {
  type PreparedSubscription,
  prepareSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './prepare.ts';
import { createReplay } from './replay.ts';
import { type Behind, type SharedHost, SharedSubscription } from './shared-subscription.ts';
import type { Subscriber } from './subscriber.ts';
import type { TopicField } from './topic-directive.ts';
import { answerOf, isBefore, isFor, isRepeat } from './topic-message.ts';
import { idOf, type TopicListener, type TopicMessage, type TopicWindow } from './topic-window.ts';
import { asDownstreamError, type Upstreams } from './upstream.ts';

/** What plans are made with, and fed by. */
export interface PlanEnvironment {
  formatter: ResultFormatter;
  log: Log;
  upstreams?: Upstreams;
  /** Of the supergraph as it is now. */
  topicFields: ReadonlyMap<string, TopicField>;
  windowOf(prepared: TopicSubscription): TopicWindow;
  /** Called when the first subscription stands on the plan. */
  onUsed(plan: Plan): void;
  /** Called when the last one has left it, or it can't be used any more. */
  onUnused(plan: Plan): void;
}

/** What all who send the same operation share: how it is answered, and who is answered together. */
export class Plan implements SharedHost {
  #operation: Operation;
  /** Tells it apart from others of the same document. */
  readonly name: string;
  /** Who has not caught up yet. */
  readonly catchingUp = new Set<Subscriber>();
  #prepared: TopicSubscription | UpstreamSubscription;
  /** The live ones, by what of the identity counts. */
  readonly #shared = new Map<string, SharedSubscription>();
  readonly #environment: PlanEnvironment;
  /** Subscriptions, the live ones and those that catch up. */
  #count = 0;
  #endedWith: readonly GraphQLFormattedError[] | null = null;

  /** Throws CodedError for an operation that can't be planned. */
  constructor(operation: Operation, name: string, environment: PlanEnvironment) {
    this.#operation = operation;
    this.name = name;
    this.#environment = environment;
    this.#prepared = prepareSubscription(environment.topicFields, operation);
  }

  /** The operation as it is planned now. */
  get operation(): Operation {
    return this.#operation;
  }

  /** As it is planned by now. */
  get prepared(): TopicSubscription | UpstreamSubscription {
    return this.#prepared;
  }

  /** Why nothing can go on by it; null while it can. */
  get endedWith(): readonly GraphQLFormattedError[] | null {
    return this.#endedWith;
  }

  enter(): void {
    this.#count += 1;
    if (this.#count === 1) this.#environment.onUsed(this);
  }

  leave(): void {
    this.#count -= 1;
    if (this.#count === 0 && !this.#endedWith) this.#environment.onUnused(this);
  }

  /**
   * Gives the subscriber what comes from now on, together with its equals, until disposed.
   *
   * @param key the subscriber's own claim
   * @param behind what it has already
   */
  join(subscriber: Subscriber, key: string, context: GatewayContext, behind: Behind | null): Disposable {
    const who = fingerprint(context.identity);
    const shared = this.#shared.get(who) ?? new SharedSubscription(this, who, key);
    this.#shared.set(who, shared);
    return shared.join(subscriber, context, behind);
  }

  /** The GraphQL result as JSON; at once, where nothing is fetched. */
  answer(
    event: PrimaryAnswer,
    context: GatewayContext,
    prepared: PreparedSubscription = this.#prepared,
  ): string | Promise<string> {
    const { formatter } = this.#environment;
    const result = executeEvent(prepared, event, context);
    return result instanceof Promise
      ? result.then((answered) => JSON.stringify(formatter.formatResult(answered)))
      : JSON.stringify(formatter.formatResult(result));
  }

  failure(error: unknown): readonly GraphQLFormattedError[] {
    return this.#environment.formatter.formatErrors(error);
  }

  open(shared: SharedSubscription): Disposable {
    const prepared = this.#prepared;
    if (prepared.topicField === null) return this.#openUpstream(prepared, shared);
    const feed = new TopicFeed(this.#environment, prepared, shared);
    return this.#environment.windowOf(prepared).listen(prepared.topicField.match, shared.key, feed);
  }

  #openUpstream(prepared: UpstreamSubscription, shared: SharedSubscription): Disposable {
    const { upstreams } = this.#environment;
    if (!upstreams) throw new Error('no upstreams');
    return upstreams.subscribe(
      { ...upstreamRequest(prepared), who: shared.who },
      {
        token: () => shared.token(),
        next: ({ data, errors }) =>
          shared.push({
            id: null,
            answer: {
              cursor: null,
              answered: data?.[prepared.responseKey],
              ...(errors && { errors: errors.map(asDownstreamError) }),
            },
          }),
        fail: (error) => shared.end(this.failure(error)),
        complete: () => shared.complete(),
      },
    );
  }

  onEnd(shared: SharedSubscription): void {
    if (this.#shared.get(shared.who) === shared) this.#shared.delete(shared.who);
  }

  /**
   * Goes on by another supergraph's plan; ends all with SUBSCRIPTION_SCHEMA_RELOAD where it does not fit.
   *
   * @param planned the operation by the new supergraph, or why it has none
   */
  replan(planned: Operation | Error): void {
    const { topicFields, log } = this.#environment;
    const before = this.#prepared;
    try {
      if (planned instanceof Error) throw planned;
      const next = prepareSubscription(topicFields, planned);
      const isFedOtherwise = sourceOf(before) !== sourceOf(next);
      if (isFedOtherwise && (before.topicField || next.topicField)) throw new Error('it is fed by something else');
      this.#operation = planned;
      this.#prepared = next;
      if (isFedOtherwise) for (const shared of this.#shared.values()) shared.reopen();
    } catch (error) {
      log.info({ error }, 'a subscription does not fit the new supergraph');
      const errors = this.failure(
        new CodedError<PublicErrorCode>(
          'SUBSCRIPTION_SCHEMA_RELOAD',
          'The schema has changed, and this subscription does not fit it any more: subscribe again.',
        ),
      );
      // Who comes now is planned by the new one.
      this.#environment.onUnused(this);
      this.#endedWith = errors;
      for (const shared of [...this.#shared.values()]) shared.end(errors);
      for (const subscriber of [...this.catchingUp]) subscriber.end(errors);
    }
  }
}

/** Gives a shared subscription the topic's messages that are for it. A class, for there are as many as users. */
class TopicFeed implements TopicListener {
  readonly #environment: PlanEnvironment;
  readonly #prepared: TopicSubscription;
  readonly #shared: SharedSubscription;

  constructor(environment: PlanEnvironment, prepared: TopicSubscription, shared: SharedSubscription) {
    this.#environment = environment;
    this.#prepared = prepared;
    this.#shared = shared;
  }

  onMessage(message: TopicMessage): void {
    const { key } = this.#shared;
    const prepared = this.#prepared;
    if (!isFor(prepared, key, message.value)) return;
    const id = idOf(message);
    const { replay } = prepared.topicField;
    const { log } = this.#environment;
    this.#shared.push({
      id,
      answer: answerOf(prepared, message),
      ...(replay &&
        id !== null &&
        isRepeat(message) && {
          isKnown: (context, cursor) => isBefore(createReplay({ prepared, replay, key, context, log }), id, cursor),
        }),
    });
  }
}

/** What feeds a subscription, and how. */
function sourceOf(prepared: TopicSubscription | UpstreamSubscription): string {
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

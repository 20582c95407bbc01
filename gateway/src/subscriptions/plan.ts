import { createHash } from 'node:crypto';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import { type GraphQLFormattedError, print } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation.ts';
import type { ResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { executeEvent, type PrimaryAnswer } from './execute-event.ts';
import { bytesOf } from './message-buffer.ts';
import {
  type PreparedSubscription,
  prepareSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './prepare.ts';
import { idOf, type RecentMessages, type TopicListener, type TopicMessage } from './recent-messages.ts';
import { createReplay } from './replay.ts';
import { type Behind, type SharedHost, SharedSubscription } from './shared-subscription.ts';
import type { Subscriber } from './subscriber.ts';
import type { TopicField } from './topic-directive.ts';
import { answerOf, isBefore, isFor, isRepeat } from './topic-message.ts';
import { asDownstreamError, type Upstreams } from './upstream.ts';

/** What plans are made with, and fed by. */
export interface PlanEnvironment {
  formatter: ResultFormatter;
  log: Log;
  upstreams?: Upstreams;
  topicFieldsOf(federation: Federation): ReadonlyMap<string, TopicField>;
  recentMessagesOf(prepared: TopicSubscription): RecentMessages;
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
    this.#prepared = prepareSubscription(environment.topicFieldsOf(operation.federation), operation);
  }

  /** The operation as it is planned now. */
  get operation(): Operation {
    return this.#operation;
  }

  /** As it is planned by now. */
  get prepared(): TopicSubscription | UpstreamSubscription {
    return this.#prepared;
  }

  get log(): Log {
    return this.#environment.log;
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
    const feed = new TopicFeedListener(this, shared);
    return this.#environment.recentMessagesOf(prepared).listen(prepared.topicField.match, shared.key, feed);
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
   * What another supergraph makes of it. Changes nothing.
   *
   * @param planned the operation by the next supergraph, or why it does not fit it
   */
  prepareChange(planned: Operation | Error, topicFields: ReadonlyMap<string, TopicField>): PlanChange {
    if (planned instanceof Error) return { kind: 'end' };
    const before = this.#prepared;
    try {
      const prepared = prepareSubscription(topicFields, planned);
      const change = { operation: planned, prepared };
      if (sourceOf(before) === sourceOf(prepared)) return { kind: 'keep', ...change };
      return before.topicField || prepared.topicField ? { kind: 'end' } : { kind: 'move', ...change };
    } catch {
      return { kind: 'end' };
    }
  }

  /** Answers by the next supergraph from now on. What feeds it stays. */
  keep({ operation, prepared }: PlanChange & { kind: 'keep' | 'move' }): void {
    this.#operation = operation;
    this.#prepared = prepared;
  }

  /** Answers by the next supergraph from now on, fed by something else, which is opened with each step. */
  *move(change: PlanChange & { kind: 'move' }): Iterable<void> {
    this.keep(change);
    const shared = [...this.#shared.values()];
    for (const each of shared) each.closeSource();
    for (const each of shared) yield each.openSource();
  }

  /** Lets nobody else on it, for it does not fit the next supergraph. */
  retire(errors: readonly GraphQLFormattedError[]): void {
    this.#environment.onUnused(this);
    this.#endedWith = errors;
  }

  /** Ends the subscriptions of one that is retired, some with each step. */
  *end(): Iterable<void> {
    const errors = this.#endedWith ?? undefined;
    for (const shared of [...this.#shared.values()]) yield shared.end(errors);
    for (const subscriber of [...this.catchingUp]) yield subscriber.end(errors);
  }
}

/** What another supergraph makes of a plan. */
export type PlanChange =
  /** It is fed as before. */
  | { kind: 'keep'; operation: Operation; prepared: TopicSubscription | UpstreamSubscription }
  /** Its subgraph is asked for something else, or another subgraph is asked. */
  | { kind: 'move'; operation: Operation; prepared: TopicSubscription | UpstreamSubscription }
  /** It does not fit. */
  | { kind: 'end' };

/** Gives a shared subscription the topic's messages that are for it. A class, for there are as many as users. */
class TopicFeedListener implements TopicListener {
  readonly #plan: Plan;
  readonly #shared: SharedSubscription;

  constructor(plan: Plan, shared: SharedSubscription) {
    this.#plan = plan;
    this.#shared = shared;
  }

  onMessage(message: TopicMessage): void {
    const { key } = this.#shared;
    // As it is planned by now: another supergraph may be served since.
    const { prepared, log } = this.#plan;
    if (!prepared.topicField || !isFor(prepared, key, message.value)) return;
    const id = idOf(message);
    const { replay } = prepared.topicField;
    this.#shared.push({
      id,
      answer: answerOf(prepared, message),
      bytes: bytesOf(message),
      ...(replay &&
        id !== null &&
        isRepeat(message) && {
          isKnown: (context, cursor) => isBefore(createReplay({ prepared, replay, key, context, log }), id, cursor),
        }),
    });
  }

  onEnd(error: Error): void {
    this.#shared.end(this.#plan.failure(error));
  }
}

/** What feeds a subscription, and how. */
function sourceOf(prepared: TopicSubscription | UpstreamSubscription): string {
  const { topicField, responseKey } = prepared;
  return JSON.stringify(
    topicField
      ? [
          topicField.topic,
          topicField.match,
          topicField.claim,
          topicField.isEdge,
          Boolean(topicField.replay),
          responseKey,
        ]
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

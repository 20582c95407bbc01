import { createHash } from 'node:crypto';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { Log } from '@voucher-gateway/platform/log';
import { type GraphQLFormattedError, print } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation.ts';
import type { ResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { executeEvent, type RootFieldResult } from './execute-event.ts';
import { FanOut, type FanOutHost, type ResumePoint } from './fan-out.ts';
import { bytesOf } from './message-buffer.ts';
import {
  type PlannedSubscription,
  planSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './plan-subscription.ts';
import { idOf, type RecentMessages, type TopicListener, type TopicMessage } from './recent-messages.ts';
import { createStoredPageReader } from './stored-page.ts';
import type { Subscriber } from './subscriber.ts';
import type { TopicField } from './topic-directive.ts';
import { isRepublished, isStoredAtOrBefore, matchesSubscriber, toRootFieldResult } from './topic-message.ts';
import { asDownstreamError, type Upstreams } from './upstream.ts';

/** What plans are made with, and fed by. */
export interface SharedOperationEnvironment {
  formatter: ResultFormatter;
  log: Log;
  upstreams?: Upstreams;
  topicFieldsOf(federation: Federation): ReadonlyMap<string, TopicField>;
  recentMessagesOf(planned: TopicSubscription): RecentMessages;
  /** Called when the first subscription stands on the plan. */
  onUsed(shared: SharedOperation): void;
  /** Called when the last one has left it, or it can't be used any more. */
  onUnused(shared: SharedOperation): void;
}

/** What all who send the same operation share: how it is answered, and who is answered together. */
export class SharedOperation implements FanOutHost {
  #operation: Operation;
  /** Tells it apart from others of the same document. */
  readonly name: string;
  /** Who has not caught up yet. */
  readonly catchingUp = new Set<Subscriber>();
  #planned: TopicSubscription | UpstreamSubscription;
  /** The live ones, by what of the identity counts. */
  readonly #fanOuts = new Map<string, FanOut>();
  readonly #environment: SharedOperationEnvironment;
  /** Subscriptions, the live ones and those that catch up. */
  #count = 0;
  #endedWith: readonly GraphQLFormattedError[] | null = null;

  /** Throws CodedError for an operation that can't be planned. */
  constructor(operation: Operation, name: string, environment: SharedOperationEnvironment) {
    this.#operation = operation;
    this.name = name;
    this.#environment = environment;
    this.#planned = planSubscription(environment.topicFieldsOf(operation.federation), operation);
  }

  /** The operation as it is planned now. */
  get operation(): Operation {
    return this.#operation;
  }

  /** As it is planned by now. */
  get planned(): TopicSubscription | UpstreamSubscription {
    return this.#planned;
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
   * @param resumePoint what it has already
   */
  join(subscriber: Subscriber, key: string, context: GatewayContext, resumePoint: ResumePoint | null): Disposable {
    const identityKey = fingerprint(context.identity);
    const fanOut = this.#fanOuts.get(identityKey) ?? new FanOut(this, identityKey, key);
    this.#fanOuts.set(identityKey, fanOut);
    return fanOut.join(subscriber, context, resumePoint);
  }

  /** The GraphQL result as JSON; at once, where nothing is fetched. */
  execute(
    event: RootFieldResult,
    context: GatewayContext,
    planned: PlannedSubscription = this.#planned,
  ): string | Promise<string> {
    const { formatter } = this.#environment;
    const result = executeEvent(planned, event, context);
    return result instanceof Promise
      ? result.then((executed) => JSON.stringify(formatter.formatResult(executed)))
      : JSON.stringify(formatter.formatResult(result));
  }

  failure(error: unknown): readonly GraphQLFormattedError[] {
    return this.#environment.formatter.formatErrors(error);
  }

  open(fanOut: FanOut): Disposable {
    const planned = this.#planned;
    if (planned.topicField === null) return this.#openUpstream(planned, fanOut);
    const feed = new TopicFeedListener(this, fanOut);
    return this.#environment.recentMessagesOf(planned).listen(planned.topicField.match, fanOut.key, feed);
  }

  #openUpstream(planned: UpstreamSubscription, fanOut: FanOut): Disposable {
    const { upstreams } = this.#environment;
    if (!upstreams) throw new Error('no upstreams');
    return upstreams.subscribe(
      { ...upstreamRequest(planned), identityKey: fanOut.identityKey },
      {
        token: () => fanOut.token(),
        next: ({ data, errors }) =>
          fanOut.push({
            id: null,
            result: {
              cursor: null,
              data: data?.[planned.responseKey],
              ...(errors && { errors: errors.map(asDownstreamError) }),
            },
          }),
        fail: (error) => fanOut.end(this.failure(error)),
        complete: () => fanOut.complete(),
      },
    );
  }

  onEnd(fanOut: FanOut): void {
    if (this.#fanOuts.get(fanOut.identityKey) === fanOut) this.#fanOuts.delete(fanOut.identityKey);
  }

  /**
   * What another supergraph makes of it. Changes nothing.
   *
   * @param next the operation by the next supergraph, or why it does not fit it
   */
  planChange(next: Operation | Error, topicFields: ReadonlyMap<string, TopicField>): OperationChange {
    if (next instanceof Error) return { kind: 'end' };
    const before = this.#planned;
    try {
      const planned = planSubscription(topicFields, next);
      const change = { operation: next, planned };
      if (sourceOf(before) === sourceOf(planned)) return { kind: 'keep', ...change };
      return before.topicField || planned.topicField ? { kind: 'end' } : { kind: 'move', ...change };
    } catch {
      return { kind: 'end' };
    }
  }

  /** Answers by the next supergraph from now on. What feeds it stays. */
  keep({ operation, planned }: OperationChange & { kind: 'keep' | 'move' }): void {
    this.#operation = operation;
    this.#planned = planned;
  }

  /** Answers by the next supergraph from now on, fed by something else, which is opened with each step. */
  *move(change: OperationChange & { kind: 'move' }): Iterable<void> {
    this.keep(change);
    const fanOut = [...this.#fanOuts.values()];
    for (const each of fanOut) each.closeSource();
    for (const each of fanOut) yield each.openSource();
  }

  /** Lets nobody else on it, for it does not fit the next supergraph. */
  retire(errors: readonly GraphQLFormattedError[]): void {
    this.#environment.onUnused(this);
    this.#endedWith = errors;
  }

  /** Ends the subscriptions of one that is retired, some with each step. */
  *end(): Iterable<void> {
    const errors = this.#endedWith ?? undefined;
    for (const fanOut of [...this.#fanOuts.values()]) yield fanOut.end(errors);
    for (const subscriber of [...this.catchingUp]) yield subscriber.end(errors);
  }
}

/** What another supergraph makes of a plan. */
export type OperationChange =
  /** It is fed as before. */
  | { kind: 'keep'; operation: Operation; planned: TopicSubscription | UpstreamSubscription }
  /** Its subgraph is asked for something else, or another subgraph is asked. */
  | { kind: 'move'; operation: Operation; planned: TopicSubscription | UpstreamSubscription }
  /** It does not fit. */
  | { kind: 'end' };

/** Gives a shared subscription the topic's messages that are for it. A class, for there are as many as users. */
class TopicFeedListener implements TopicListener {
  readonly #shared: SharedOperation;
  readonly #fanOut: FanOut;

  constructor(shared: SharedOperation, fanOut: FanOut) {
    this.#shared = shared;
    this.#fanOut = fanOut;
  }

  onMessage(message: TopicMessage): void {
    const { key } = this.#fanOut;
    // As it is planned by now: another supergraph may be served since.
    const { planned, log } = this.#shared;
    if (!planned.topicField || !matchesSubscriber(planned, key, message.value)) return;
    const id = idOf(message);
    const { replay } = planned.topicField;
    this.#fanOut.push({
      id,
      result: toRootFieldResult(planned, message),
      bytes: bytesOf(message),
      ...(replay &&
        id !== null &&
        isRepublished(message) && {
          isDuplicate: (context, cursor) =>
            isStoredAtOrBefore(createStoredPageReader({ planned, replay, key, context, log }), id, cursor),
        }),
    });
  }

  onEnd(error: Error): void {
    this.#fanOut.end(this.#shared.failure(error));
  }
}

/** What feeds a subscription, and how. */
function sourceOf(planned: TopicSubscription | UpstreamSubscription): string {
  const { topicField, responseKey } = planned;
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
      : upstreamRequest(planned),
  );
}

/** What its subgraph is asked, whoever asks. */
function upstreamRequest({ primary, operation }: PlannedSubscription) {
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

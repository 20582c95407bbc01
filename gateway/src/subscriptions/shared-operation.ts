import type { Log } from '@voucher-gateway/platform/process/log';
import { type GraphQLFormattedError, print } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { Federation } from '../federation/federation.ts';
import { asDownstreamError, type Upstreams } from '../federation/subgraph-subscriptions.ts';
import type { ResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { FanOut, type FanOutOptions, type ResumePoint } from './fan-out.ts';
import { createIdentityKey } from './identity-key.ts';
import { executeEvent, type RootFieldResult } from './plan/execute-event.ts';
import { isRepublished, matchesSubscriber, toRootFieldResult } from './plan/match.ts';
import {
  type PlannedSubscription,
  planSubscription,
  type TopicSubscription,
  type UpstreamSubscription,
  usedVariables,
} from './plan/plan-subscription.ts';
import type { TopicField } from './plan/topic-directive.ts';
import { isStoredAtOrBefore } from './resume/stored-messages.ts';
import { createStoredPageReader } from './resume/stored-page.ts';
import type { Subscriber } from './subscriber.ts';
import { bytesOf, idOf, type TopicMessage } from './topic/message.ts';
import type { RecentMessages, TopicListener } from './topic/recent-messages.ts';

export interface SharedOperationEnvironment {
  formatter: ResultFormatter;
  log: Log;
  upstreams?: Upstreams;
  topicFieldsOf(federation: Federation): ReadonlyMap<string, TopicField>;
  recentMessagesOf(planned: TopicSubscription): RecentMessages;
  /** Called when the operation has its first subscription. */
  onUsed(shared: SharedOperation): void;
  /** Called when the operation's last subscription has ended, or when a reload ends the operation. */
  onUnused(shared: SharedOperation): void;
}

/**
 * A subscription operation that equal requests share. It has one query plan, and one fan-out for each group of
 * subscribers with the same identity.
 */
export class SharedOperation {
  #operation: Operation;
  /** Identifies the operation within its document: the operation's name, variables and plan variant as text. */
  readonly name: string;
  /** Subscribers that are not live yet. */
  readonly catchingUp = new Set<Subscriber>();
  #planned: TopicSubscription | UpstreamSubscription;
  /** Fan-outs of live subscribers, by identity key. */
  readonly #fanOuts = new Map<string, FanOut>();
  readonly #environment: SharedOperationEnvironment;
  readonly #fanOutOptions: FanOutOptions = {
    open: (fanOut) => this.#open(fanOut),
    execute: (result, context) => this.execute(result, context),
    formatErrors: (error) => this.formatErrors(error),
    onEnd: (fanOut) => {
      if (this.#fanOuts.get(fanOut.identityKey) === fanOut) this.#fanOuts.delete(fanOut.identityKey);
    },
  };
  /** Number of subscriptions, live or catching up. */
  #count = 0;
  #endedWith: readonly GraphQLFormattedError[] | null = null;

  /** Throws CodedError for an operation that can't be planned. */
  constructor(operation: Operation, name: string, environment: SharedOperationEnvironment) {
    this.#operation = operation;
    this.name = name;
    this.#environment = environment;
    this.#planned = planSubscription(environment.topicFieldsOf(operation.federation), operation);
  }

  /** The operation with its plan for the current supergraph. */
  get operation(): Operation {
    return this.#operation;
  }

  /** The subscription's plan for the current supergraph. */
  get planned(): TopicSubscription | UpstreamSubscription {
    return this.#planned;
  }

  get log(): Log {
    return this.#environment.log;
  }

  /** The errors for the subscribers, if a reload has ended the operation; else null. */
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
   * Adds a live subscriber to the fan-out for the subscriber's identity. Disposing the returned value removes the
   * subscriber.
   *
   * @param claimValue value of the subscriber's claim
   * @param resumePoint what the subscriber has already received; null if the subscriber did not resume
   */
  join(
    subscriber: Subscriber,
    claimValue: string,
    context: GatewayContext,
    resumePoint: ResumePoint | null,
  ): Disposable {
    const identityKey = createIdentityKey(context);
    const fanOut = this.#fanOuts.get(identityKey) ?? new FanOut(this.#fanOutOptions, identityKey, claimValue);
    this.#fanOuts.set(identityKey, fanOut);
    return fanOut.join(subscriber, context, resumePoint);
  }

  /** Executes an event. Returns the GraphQL result as JSON, or a promise of the JSON if the plan has fetches. */
  execute(
    event: RootFieldResult,
    context: GatewayContext,
    planned: PlannedSubscription = this.#planned,
  ): string | Promise<string> {
    const { formatter } = this.#environment;
    const result = executeEvent(planned, event, context);
    return result instanceof Promise
      ? result.then((executed) => formatter.stringify(executed))
      : formatter.stringify(result);
  }

  /** Converts a thrown value to the errors that subscribers get. */
  formatErrors(error: unknown): readonly GraphQLFormattedError[] {
    return this.#environment.formatter.formatErrors(error);
  }

  #open(fanOut: FanOut): Disposable {
    const planned = this.#planned;
    if (planned.topicField === null) return this.#openUpstream(planned, fanOut);
    const feed = new TopicFeedListener(this, fanOut);
    return this.#environment.recentMessagesOf(planned).listen(planned.topicField.match, fanOut.claimValue, feed);
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
        fail: (error) => fanOut.end(this.formatErrors(error)),
        complete: () => fanOut.complete(),
      },
    );
  }

  /**
   * Returns how the next supergraph changes the operation. Has no side effects.
   *
   * @param next the operation with its plan for the next supergraph, or the planner's error
   */
  planChange(next: Operation | Error, topicFields: ReadonlyMap<string, TopicField>): OperationChange {
    if (next instanceof Error || hidesMore(this.#operation, next)) return { kind: 'end' };
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

  /** Switches to the next supergraph, and keeps the source of events. */
  keep({ operation, planned }: OperationChange & { kind: 'keep' | 'move' }): void {
    this.#operation = operation;
    this.#planned = planned;
  }

  /**
   * Switches to the next supergraph and to another source of events. Each step opens the source of one fan-out, and the
   * caller can yield to the event loop between the steps.
   */
  *move(change: OperationChange & { kind: 'move' }): Iterable<void> {
    this.keep(change);
    const fanOut = [...this.#fanOuts.values()];
    for (const each of fanOut) each.closeSource();
    for (const each of fanOut) yield each.openSource();
  }

  /** Retires an operation that is invalid in the next supergraph, so that it admits no more subscriptions. */
  retire(errors: readonly GraphQLFormattedError[]): void {
    this.#environment.onUnused(this);
    this.#endedWith = errors;
  }

  /** Ends the subscriptions, after `retire`. Each step ends one fan-out or one subscriber. */
  *end(): Iterable<void> {
    const errors = this.#endedWith ?? undefined;
    for (const fanOut of [...this.#fanOuts.values()]) yield fanOut.end(errors);
    for (const subscriber of [...this.catchingUp]) yield subscriber.end(errors);
  }
}

/** How the next supergraph changes an operation. */
export type OperationChange =
  /** The operation keeps its source of events: its topic, or its request to the same subgraph. */
  | { kind: 'keep'; operation: Operation; planned: TopicSubscription | UpstreamSubscription }
  /** For an operation whose events come from a subgraph: the request changes, or another subgraph serves the field. */
  | { kind: 'move'; operation: Operation; planned: TopicSubscription | UpstreamSubscription }
  /** The operation ends, because it is invalid, its `@topic` changes, or more of its fields are hidden. */
  | { kind: 'end' };

/**
 * Passes matching topic messages to a fan-out. There is one listener per user, and a class instance takes less memory
 * than closures.
 */
class TopicFeedListener implements TopicListener {
  readonly #shared: SharedOperation;
  readonly #fanOut: FanOut;

  constructor(shared: SharedOperation, fanOut: FanOut) {
    this.#shared = shared;
    this.#fanOut = fanOut;
  }

  onMessage(message: TopicMessage): void {
    const { claimValue } = this.#fanOut;
    // The plan is read for each message, because a reload may have replaced it.
    const { planned, log } = this.#shared;
    if (!planned.topicField || !matchesSubscriber(planned, claimValue, message.value)) return;
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
            isStoredAtOrBefore(createStoredPageReader({ planned, replay, claimValue, context, log }), id, cursor),
        }),
    });
  }

  onEnd(error: Error): void {
    this.#fanOut.end(this.#shared.formatErrors(error));
  }
}

/**
 * Whether the next supergraph hides a field that was not hidden before. Such an operation ends, because the gateway
 * can't know which subscribers may see the field. The subscribers' rights were checked by the rules of the previous
 * supergraph.
 */
function hidesMore({ plan: { hiddenFields: before = [] } }: Operation, { plan: { hiddenFields = [] } }: Operation) {
  return hiddenFields.some((field) => !before.includes(field));
}

/** Returns a text that identifies the source of a subscription's events. */
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

/** Returns the subgraph request of a subscription, without the subscriber's identity. */
function upstreamRequest({ primary, operation }: PlannedSubscription) {
  const { document, subgraph } = primary;
  const sent = operation.variables ?? {};
  const names = usedVariables(document, document).map((definition) => definition.variable.name.value);
  return {
    subgraph,
    query: print(document),
    variables: Object.fromEntries(names.filter((name) => name in sent).map((name) => [name, sent[name]])),
  };
}

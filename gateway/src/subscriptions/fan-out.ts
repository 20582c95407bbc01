import type { CodedError } from '@voucher-gateway/platform/errors';
import type { GraphQLFormattedError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { subgraphUnavailable } from '../federation/subgraph-unavailable.ts';
import { findLastToExpire, type UpstreamToken } from '../federation/upstream-token.ts';
import type { RootFieldResult } from './plan/execute-event.ts';
import type { Subscriber } from './subscriber.ts';

/** An event that a fan-out executes and sends to its members, the subscribers. */
export interface FanOutEvent {
  /** The message's id. A member that has already received the message is skipped. */
  id: string | null;
  result: RootFieldResult;
  /**
   * Approximate memory in bytes. Default: the length of the result's JSON, which is computed only if the event has to
   * wait.
   */
  bytes?: number;
  /**
   * Set only for a republished message. If it resolves to true, the members already have the message, and the event is
   * dropped.
   */
  isDuplicate?: (context: GatewayContext, cursor: string | null) => Promise<boolean>;
}

/** What a resuming subscriber has already received when it goes live. */
export interface ResumePoint {
  /** Ids of events that the subscriber has received, and that the topic may still deliver. */
  sent: Set<string>;
  /** Cursor of the last event that the subscriber received. */
  cursor: string;
}

/** Functions that all fan-outs of an operation share. */
export interface FanOutOptions {
  /** Opens the source of events when the first member joins. */
  open(fanOut: FanOut): Disposable;
  /** Executes an event. Returns the GraphQL result as JSON; synchronously if nothing is fetched. */
  execute(result: RootFieldResult, context: GatewayContext): string | Promise<string>;
  /** Converts a failure to the errors that members get. */
  formatErrors(error: unknown): readonly GraphQLFormattedError[];
  /** Called when the last member has left, or the fan-out has ended. */
  onEnd(fanOut: FanOut): void;
}

/** Limits of the queue in which events wait while an earlier event needs responses from subgraphs. */
const mostWaiting = 1_000;
const mostWaitingBytes = 4_194_304;

/**
 * The fan-out of one subscription operation to all subscribers with the same identity: its members. Each event is
 * executed once and serialised once for all members, in order.
 *
 * The queue of waiting events is bounded. When the queue is full, the members end with a retryable error, and can
 * resume after their last event.
 */
export class FanOut {
  /** The identity key of all members. Subgraphs give the same response to clients with equal keys. */
  readonly identityKey: string;
  /** The value of the members' claim. The members get only messages whose field named by `@topic(match:)` equals it. */
  readonly claimValue: string;
  readonly #options: FanOutOptions;
  readonly #members = new Set<FanOutMember>();
  /** Events that wait while an earlier event is executed; null if there are none. */
  #waiting: WaitingEvents | null = null;
  /** Number of events that the fan-out has received so far. */
  #count = 0;
  /**
   * Cursor of the last event that was sent to the members, live or during catch-up. A republished message that is
   * stored at or before this cursor is a duplicate.
   */
  #cursor: string | null = null;
  #source: Disposable | null = null;
  #isAnswering = false;
  #hasEnded = false;

  constructor(options: FanOutOptions, identityKey: string, claimValue: string) {
    this.#options = options;
    this.identityKey = identityKey;
    this.claimValue = claimValue;
  }

  /**
   * Adds a subscriber, which gets all events from now on. Disposing the returned value removes the subscriber.
   *
   * @param resumePoint what the subscriber has already received; null if the subscriber did not resume
   */
  join(subscriber: Subscriber, context: GatewayContext, resumePoint: ResumePoint | null = null): Disposable {
    const member = new FanOutMember(
      this,
      subscriber,
      context,
      this.#count,
      resumePoint?.sent.size ? resumePoint.sent : null,
    );
    this.#cursor = resumePoint?.cursor ?? this.#cursor;
    this.#members.add(member);
    if (this.#members.size === 1) this.openSource();
    return member;
  }

  leave(member: FanOutMember): void {
    if (this.#members.delete(member) && this.#members.size === 0) this.#close();
  }

  push(event: FanOutEvent): void {
    if (this.#hasEnded) return;
    this.#count += 1;
    const next = { event, number: this.#count };
    if (!this.#isAnswering) {
      this.#answerFrom(next);
      return;
    }
    this.#waiting ??= new WaitingEvents();
    if (!this.#waiting.add(next)) this.end(this.#options.formatErrors(tooManyWait()));
  }

  /** Closes the source of events. `openSource` can then open another source. */
  closeSource(): void {
    this.#source?.[Symbol.dispose]();
    this.#source = null;
  }

  /** Of the tokens of all members (subscribers of this fan-out), returns the one that expires last. */
  token(): UpstreamToken {
    return findLastToExpire(
      Array.from(this.#members, ({ context: { authorization, identity } }) => ({
        authorization,
        expiresAtMs: identity?.expiresAtMs ?? 0,
      })),
    );
  }

  openSource(): void {
    if (this.#hasEnded || this.#source) return;
    try {
      const source = this.#options.open(this);
      // The call of `open` may have ended the fan-out.
      if (this.#hasEnded) source[Symbol.dispose]();
      else this.#source = source;
    } catch (error) {
      this.end(this.#options.formatErrors(error));
    }
  }

  /** Ends the fan-out immediately and discards the waiting events. */
  end(errors?: readonly GraphQLFormattedError[]): void {
    const members = [...this.#members];
    this.#close();
    for (const { subscriber } of members) subscriber.end(errors);
  }

  /** Ends the fan-out after the waiting events have been sent. */
  complete(): void {
    if (this.#isAnswering) {
      this.#waiting ??= new WaitingEvents();
      this.#waiting.addEnd();
    } else this.end();
  }

  /**
   * Executes this event and then the waiting events, in order. The method is synchronous until an event needs a request
   * to a subgraph. Never throws.
   */
  #answerFrom(first: Waiting | undefined): void {
    try {
      this.#answerInOrder(first);
    } catch (error) {
      this.end(this.#options.formatErrors(error));
    }
  }

  #answerInOrder(first: Waiting | undefined): void {
    this.#isAnswering = true;
    for (let next = first; next !== undefined; next = this.#waiting?.shift()) {
      if (next === null) {
        this.end();
        return;
      }
      const { value: member } = this.#members.values().next();
      if (!member) break;
      const current = next;
      const executed = this.#execute(current.event, member.context);
      if (executed instanceof Promise) {
        executed
          .then((json) => {
            this.#send(current, json);
            this.#answerFrom(this.#waiting?.shift());
          })
          .catch((error: unknown) => this.end(this.#options.formatErrors(error)));
        return;
      }
      this.#send(current, executed);
    }
    this.#isAnswering = false;
    this.#waiting = null;
  }

  /** Executes an event. Returns null if it is a duplicate. */
  #execute({ result, isDuplicate }: FanOutEvent, context: GatewayContext): string | null | Promise<string | null> {
    if (!isDuplicate) return this.#options.execute(result, context);
    return isDuplicate(context, this.#cursor).then((isKnown) =>
      isKnown ? null : this.#options.execute(result, context),
    );
  }

  #send({ event: { id, result }, number }: NonNullable<Waiting>, json: string | null): void {
    if (json === null) return;
    this.#cursor = result.cursor ?? this.#cursor;
    for (const member of this.#members) {
      if (member.since >= number || (id !== null && member.sent?.delete(id))) continue;
      member.subscriber.next(json, result.cursor);
    }
  }

  #close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#members.clear();
    this.#waiting = null;
    this.#source?.[Symbol.dispose]();
    this.#options.onEnd(this);
  }
}

/** A subscriber in a fan-out. There is one per subscription, and a class instance takes less memory than closures. */
class FanOutMember implements Disposable {
  readonly subscriber: Subscriber;
  readonly context: GatewayContext;
  /** Number of the last event before the member joined. The member gets only later events. */
  readonly since: number;
  readonly sent: Set<string> | null;
  readonly #fanOut: FanOut;

  constructor(
    fanOut: FanOut,
    subscriber: Subscriber,
    context: GatewayContext,
    since: number,
    sent: Set<string> | null,
  ) {
    this.#fanOut = fanOut;
    this.subscriber = subscriber;
    this.context = context;
    this.since = since;
    this.sent = sent;
  }

  [Symbol.dispose]() {
    this.#fanOut.leave(this);
  }
}

/** An event with its number in the order of arrival; null marks the end after `complete`. */
type Waiting = { event: FanOutEvent; number: number } | null;

/** A queue of events, bounded in count and bytes. */
class WaitingEvents {
  readonly #events: { next: Waiting; bytes: number }[] = [];
  #bytes = 0;

  /** Returns false if the queue is full. An empty queue accepts an event of any size. */
  add(next: NonNullable<Waiting>): boolean {
    const { result, bytes = JSON.stringify(result).length } = next.event;
    const isEmpty = this.#events.length === 0;
    if (this.#events.length >= mostWaiting || (!isEmpty && this.#bytes + bytes > mostWaitingBytes)) return false;
    this.#events.push({ next, bytes });
    this.#bytes += bytes;
    return true;
  }

  addEnd(): void {
    this.#events.push({ next: null, bytes: 0 });
  }

  shift(): Waiting | undefined {
    const first = this.#events.shift();
    this.#bytes -= first?.bytes ?? 0;
    return first?.next;
  }
}

function tooManyWait(): CodedError {
  return subgraphUnavailable(
    'Too many events wait for other subgraphs to answer: subscribe again after your last cursor.',
  );
}

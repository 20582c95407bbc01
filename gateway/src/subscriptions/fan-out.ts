import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { GraphQLFormattedError } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { RootFieldResult } from './execute-event.ts';
import type { Subscriber } from './subscriber.ts';
import type { UpstreamToken } from './upstream.ts';

/** An event on its way to the subscribers. */
export interface FanOutEvent {
  /** The message's id, by which one who was sent it already is passed over. */
  id: string | null;
  result: RootFieldResult;
  /** About what it takes in memory. Default: the length of its JSON, which is made only where it has to wait. */
  bytes?: number;
  /** Tells, before it is answered, whether it is none after all: a repeat of one at the cursor or ahead of it. */
  isDuplicate?: (context: GatewayContext, cursor: string | null) => Promise<boolean>;
}

/** What a subscriber has when it goes live. */
export interface ResumePoint {
  /** Ids of events that it was sent already and that may come yet. */
  sent: Set<string>;
  /** Of the last event that it was sent. */
  cursor: string;
}

/** Who has shared subscriptions: feeds them, and executes their events. */
export interface FanOutHost {
  /** Starts what feeds it, for the first of its members. */
  open(fanOut: FanOut): Disposable;
  /** Executes an event: the GraphQL result as JSON. At once, where nothing is fetched. */
  execute(result: RootFieldResult, context: GatewayContext): string | Promise<string>;
  /** What members are told when an event can't be answered, or too many wait. */
  failure(error: unknown): readonly GraphQLFormattedError[];
  /** Called when the last member has left, or it has ended. */
  onEnd(fanOut: FanOut): void;
}

/** Events that may wait for other subgraphs to answer those before them, and what they may take in memory. */
const mostWaiting = 1_000;
const mostWaitingBytes = 4_194_304;

/**
 * Equal subscriptions of equal subscribers: each event is executed once, and serialised once, for all of them.
 *
 * Events are answered in order. Those that wait while other subgraphs are slow to answer are bounded: past the bound
 * the members end with an error and resume behind what they have.
 */
export class FanOut {
  /** What of the identity is the same for all members. */
  readonly identityKey: string;
  /** The members' own claim. */
  readonly key: string;
  readonly #host: FanOutHost;
  readonly #members = new Set<FanOutMember>();
  /** ResumePoint the event that is being answered; none most of the time. */
  #waiting: WaitingEvents | null = null;
  /** Events so far. */
  #count = 0;
  /** What every member has, as far as is known: the last event's, or where the last of them came from. */
  #cursor: string | null = null;
  #source: Disposable | null = null;
  #isAnswering = false;
  #hasEnded = false;

  constructor(host: FanOutHost, identityKey: string, key: string) {
    this.#host = host;
    this.identityKey = identityKey;
    this.key = key;
  }

  /**
   * Gives the subscriber the events from now on, until disposed.
   *
   * @param resumePoint what it has already
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
    if (!this.#waiting.add(next)) this.end(this.#host.failure(tooManyWait()));
  }

  /** Stops what feeds it, to be fed by something else. */
  closeSource(): void {
    this.#source?.[Symbol.dispose]();
    this.#source = null;
  }

  /** Of the members' tokens the one that is good the longest. */
  token(): UpstreamToken {
    let best: UpstreamToken = { authorization: null, expiresAtMs: 0 };
    for (const { context } of this.#members) {
      const expiresAtMs = context.identity?.expiresAtMs ?? 0;
      if (expiresAtMs >= best.expiresAtMs) best = { authorization: context.authorization, expiresAtMs };
    }
    return best;
  }

  /** Starts what feeds it. */
  openSource(): void {
    if (this.#hasEnded || this.#source) return;
    try {
      const source = this.#host.open(this);
      // It may have ended the subscription while it was opened.
      if (this.#hasEnded) source[Symbol.dispose]();
      else this.#source = source;
    } catch (error) {
      this.end(this.#host.failure(error));
    }
  }

  /** Ends it: what waits is not answered any more. */
  end(errors?: readonly GraphQLFormattedError[]): void {
    const members = [...this.#members];
    this.#close();
    for (const { subscriber } of members) subscriber.end(errors);
  }

  /** Ends it behind what waits. */
  complete(): void {
    if (this.#isAnswering) {
      this.#waiting ??= new WaitingEvents();
      this.#waiting.addEnd();
    } else this.end();
  }

  /** This one and what waits behind it, in order; at once as far as nothing is fetched. Never throws. */
  #answerFrom(first: Waiting | undefined): void {
    try {
      this.#answerInOrder(first);
    } catch (error) {
      this.end(this.#host.failure(error));
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
          .catch((error: unknown) => this.end(this.#host.failure(error)));
        return;
      }
      this.#send(current, executed);
    }
    this.#isAnswering = false;
    this.#waiting = null;
  }

  /** Null for an event that is none after all. */
  #execute({ result, isDuplicate }: FanOutEvent, context: GatewayContext): string | null | Promise<string | null> {
    if (!isDuplicate) return this.#host.execute(result, context);
    return isDuplicate(context, this.#cursor).then((isKnown) => (isKnown ? null : this.#host.execute(result, context)));
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
    this.#host.onEnd(this);
  }
}

/** One that stands in a shared subscription. A class, for there are as many as connections. */
class FanOutMember implements Disposable {
  readonly subscriber: Subscriber;
  readonly context: GatewayContext;
  /** Events up to this one are not for it. */
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

/** An event, or the end. */
type Waiting = { event: FanOutEvent; number: number } | null;

/** Events in order, bounded in count and bytes. */
class WaitingEvents {
  readonly #events: { next: Waiting; bytes: number }[] = [];
  #bytes = 0;

  /** False where there is no room for it. One always has room. */
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
  return new CodedError<PublicErrorCode>(
    'SUBGRAPH_UNAVAILABLE',
    'Too many events wait for other subgraphs to answer: subscribe again after your last cursor.',
    { retryable: true },
  );
}

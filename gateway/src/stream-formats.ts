import type { GraphQLFormattedError } from 'graphql';
import Negotiator from 'negotiator';

/** How a stream of answers is written into one HTTP response. */
export interface StreamFormat {
  readonly contentType: string;
  /** What comes before everything. */
  readonly opening: string;
  /** Sent now and then, so that nobody between takes a quiet stream for a dead one. */
  readonly keepAlive: string;
  /** An answer, as JSON, and the cursor to come again with. */
  next(json: string, cursor: string | null): string;
  /** The end, because all has been said. */
  readonly complete: string;
  /** The end, because of these errors. */
  fail(errors: readonly GraphQLFormattedError[]): string;
  /** The end, because this process goes: the client is to come again. */
  goAway(errors: readonly GraphQLFormattedError[]): string;
}

/** A browser's EventSource comes again after this time, in milliseconds. */
const comeAgainAfterMs = 1_000;

const next = (json: string, cursor: string | null) =>
  `${cursor === null ? '' : `id: ${cursor}\n`}event: next\ndata: ${json}\n\n`;
// With an empty data line: without any a browser drops the event.
const complete = 'event: complete\ndata: \n\n';

/**
 * Server-Sent Events, in the distinct connections mode of graphql-sse, which a browser's EventSource understands, too.
 *
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export const serverSentEvents: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  opening: `retry: ${comeAgainAfterMs}\n:\n\n`,
  keepAlive: ':\n\n',
  next,
  complete,
  fail: (errors) => next(JSON.stringify({ errors }), null) + complete,
  // A stream that ends without `complete` is a lost connection: the client comes again behind the last id.
  goAway: () => '',
};

const delimiter = '\r\n--graphql';
/** The next delimiter goes with each part: clients take a part for whole when they see it. */
const part = (json: string) => `\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${json}${delimiter}`;
const failure = (errors: readonly GraphQLFormattedError[]) =>
  `${part(JSON.stringify({ payload: null, errors }))}--\r\n`;

/**
 * Multipart HTTP as Apollo Client reads it.
 *
 * @see https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
 */
export const multipart: StreamFormat = {
  contentType: 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0"',
  opening: delimiter,
  keepAlive: part('{}'),
  next: (json) => part(`{"payload":${json}}`),
  complete: '--\r\n',
  fail: failure,
  goAway: failure,
};

/** What a request's Accept header asks for, by the kind of its operation. */
export interface AcceptedFormats {
  /** For a subscription: the stream that it prefers of those that it names; null where it names none. */
  subscription: StreamFormat | null;
  /** For a query or mutation: `json`, or a stream that it prefers to that; null where it accepts neither. */
  answer: StreamFormat | 'json' | null;
}

/** Nobody's header is longer; what negotiation costs grows with it. */
const maxAcceptLength = 1_000;

const eventStream = 'text/event-stream;charset=utf-8';
const multipartStream = 'multipart/mixed;subscriptionspec=1.0';
const jsonTypes = ['application/json', 'application/graphql-response+json', 'application/graphql+json'];

/**
 * Negotiates by quality, then by order, as RFC 9110 (12.5.1) has it. A stream counts only where it is named: a wildcard
 * accepts JSON.
 */
export function negotiateFormats(accept: string | undefined): AcceptedFormats {
  if (accept === undefined || accept.length > maxAcceptLength) return { subscription: null, answer: 'json' };
  // Which boundary an answer has is the server's to say.
  const header = accept.toLowerCase().replace(/;\s*boundary=("[^"]*"|[^;,\s]*)/g, '');
  const ranges = header.split(',').map((range) => range.trim());
  const isNamed = (type: string, parameter = '') =>
    ranges.some((range) => range.startsWith(type) && range.includes(parameter));
  const named = [
    ...(isNamed('text/event-stream') ? [eventStream] : []),
    ...(isNamed('multipart/mixed', 'subscriptionspec=') ? [multipartStream] : []),
  ];
  if (named.length === 0) return { subscription: null, answer: 'json' };
  const negotiator = new Negotiator({ headers: { accept: header } });
  const [stream] = negotiator.mediaTypes(named);
  const [preferred] = negotiator.mediaTypes([...jsonTypes, eventStream]);
  return {
    subscription: stream === eventStream ? serverSentEvents : stream === multipartStream ? multipart : null,
    answer: preferred === eventStream ? serverSentEvents : preferred === undefined ? null : 'json',
  };
}

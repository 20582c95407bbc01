import type { GraphQLFormattedError } from 'graphql';
import Negotiator from 'negotiator';

/** The format of a stream of results in one HTTP response. */
export interface StreamFormat {
  readonly contentType: string;
  /** Sent at the start. */
  readonly opening: string;
  /** Sent periodically, so that proxies do not time out an idle stream. */
  readonly keepAlive: string;
  /** A result. `json` is the GraphQL result, `cursor` the cursor to resume after. */
  next(json: string, cursor: string | null): string;
  /** Sent at the end of a stream that has completed. */
  readonly complete: string;
  /** Sent at the end of a stream that has failed. */
  fail(errors: readonly GraphQLFormattedError[]): string;
  /** Sent at the end when the process shuts down: the client should reconnect. */
  goAway(errors: readonly GraphQLFormattedError[]): string;
}

/** A browser's EventSource reconnects after this time. */
const reconnectAfterMs = 1_000;

const next = (json: string, cursor: string | null) =>
  `${cursor === null ? '' : `id: ${cursor}\n`}event: next\ndata: ${json}\n\n`;
// A browser drops an event without a data line.
const complete = 'event: complete\ndata: \n\n';

/**
 * Server-Sent Events in the distinct connections mode of graphql-sse, which a browser's EventSource understands, too.
 *
 * @see https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export const serverSentEvents: StreamFormat = {
  contentType: 'text/event-stream; charset=utf-8',
  opening: `retry: ${reconnectAfterMs}\n:\n\n`,
  keepAlive: ':\n\n',
  next,
  complete,
  fail: (errors) => next(JSON.stringify({ errors }), null) + complete,
  // Without `complete` the client treats the end as a lost connection, and reconnects with its last id.
  goAway: () => '',
};

const delimiter = '\r\n--graphql';
/** Each part ends with the next delimiter: clients process a part once they see it. */
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

/** The formats that an Accept header selects, by type of operation. */
export interface AcceptedFormats {
  /** For a subscription: the preferred one of the streams that it names; null if it names none. */
  subscription: StreamFormat | null;
  /** For a query or mutation: `json`, or a stream that is preferred to it; null if neither is accepted. */
  answer: StreamFormat | 'json' | null;
}

/** Real headers are shorter, and the cost of negotiation grows with the length. */
const maxAcceptLength = 1_000;

const eventStream = 'text/event-stream;charset=utf-8';
const multipartStream = 'multipart/mixed;subscriptionspec=1.0';
const jsonTypes = ['application/json', 'application/graphql-response+json', 'application/graphql+json'];

/**
 * Negotiates by quality, then by order (RFC 9110, 12.5.1). A wildcard selects JSON: a stream must be named.
 */
export function negotiateFormats(accept: string | undefined): AcceptedFormats {
  if (accept === undefined || accept.length > maxAcceptLength || !/event-stream|multipart/i.test(accept))
    return { subscription: null, answer: 'json' };
  // The server chooses the boundary.
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

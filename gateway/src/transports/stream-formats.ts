import type { GraphQLFormattedError } from 'graphql';
import Negotiator from 'negotiator';

/** The format of a stream of results in one HTTP response. */
export interface StreamFormat {
  readonly contentType: string;
  /** Sent at the start. */
  readonly opening: string;
  /** Sent periodically, so that proxies do not time out an idle stream. */
  readonly keepAlive: string;
  /** Encodes a result. `json` is the GraphQL result, `cursor` the position from which a client can resume. */
  next(json: string, cursor: string | null): string;
  /** Sent at the end of a stream that has completed. */
  readonly complete: string;
  /** Encodes the end of a stream that has failed. */
  fail(errors: readonly GraphQLFormattedError[]): string;
  /** Encodes the end of a stream at shutdown, so that the client reconnects. */
  goAway(errors: readonly GraphQLFormattedError[]): string;
}

/** A browser's EventSource reconnects after this time. */
const reconnectAfterMs = 1_000;

const next = (json: string, cursor: string | null) =>
  `${cursor === null ? '' : `id: ${cursor}\n`}event: next\ndata: ${json}\n\n`;
// The data line is empty, but must exist: a browser drops an event without a data line.
const complete = 'event: complete\ndata: \n\n';

/**
 * Server-Sent Events in the distinct connections mode of graphql-sse, which a browser's EventSource also understands.
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
  // At shutdown nothing is sent. Without the event `complete`, the client treats the end as a lost connection, and
  // reconnects with its last event id.
  goAway: () => '',
};

const delimiter = '\r\n--graphql';
/** Each part ends with the next delimiter, because clients process a part only when they see the delimiter after it. */
const part = (json: string) => `\r\ncontent-type: application/json; charset=utf-8\r\n\r\n${json}${delimiter}`;
const failure = (errors: readonly GraphQLFormattedError[]) =>
  `${part(JSON.stringify({ payload: null, errors }))}--\r\n`;

/**
 * Multipart HTTP in the form that Apollo Client reads.
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

const lastPayload = (errors: readonly GraphQLFormattedError[]) => JSON.stringify({ errors, hasNext: false });
const deferredFailure = (errors: readonly GraphQLFormattedError[]) => `${part(lastPayload(errors))}--\r\n`;

/**
 * Multipart HTTP for a result in parts (`@defer`), in the format `deferSpec=20220824`.
 *
 * @see https://github.com/graphql/graphql-over-http/blob/main/rfcs/IncrementalDelivery.md
 */
export const deferredMultipart: StreamFormat = {
  contentType: 'multipart/mixed;boundary="graphql";deferSpec=20220824',
  opening: delimiter,
  // The protocol has no keep-alive part. The time-outs of subgraphs limit how long the stream may be idle.
  keepAlive: '',
  next: part,
  complete: '--\r\n',
  fail: deferredFailure,
  goAway: deferredFailure,
};

const deferredFailureEvents = (errors: readonly GraphQLFormattedError[]) => next(lastPayload(errors), null) + complete;

/**
 * Server-Sent Events for a result in parts (`@defer`). If the result fails, the last payload has the errors and
 * `hasNext: false`. This payload is also sent at shutdown, because a client that reconnects would send a mutation
 * again.
 */
export const deferredServerSentEvents: StreamFormat = {
  ...serverSentEvents,
  fail: deferredFailureEvents,
  goAway: deferredFailureEvents,
};

/** The formats that an Accept header selects, by type of operation. */
export interface AcceptedFormats {
  /**
   * The format of a query or mutation with `@defer`. Two stream formats can have parts, and the header chooses one of
   * them. Null if the header names neither of the two formats.
   */
  deferred: StreamFormat | null;
  /** The format of a subscription: the stream that the header prefers; null if the header names no stream. */
  subscription: StreamFormat | null;
  /**
   * The format of a query or mutation: JSON, or Server-Sent Events if the header prefers them to JSON. Null if the
   * header accepts neither JSON nor Server-Sent Events.
   */
  answer: StreamFormat | 'json' | null;
}

/**
 * Maximum length of an Accept header that can select a stream. A long header takes much time to negotiate. Real clients
 * send short headers.
 */
const maxAcceptLength = 1_000;

const eventStream = 'text/event-stream;charset=utf-8';
const multipartStream = 'multipart/mixed;subscriptionspec=1.0';
const deferredStream = 'multipart/mixed;deferspec=20220824';
const jsonTypes = ['application/json', 'application/graphql-response+json', 'application/graphql+json'];

/**
 * A media type with a higher quality is preferred, then a media type that the header names first (RFC 9110, 12.5.1). A
 * wildcard selects JSON, because a stream is used only if the header names its media type.
 */
export function negotiateFormats(accept: string | undefined): AcceptedFormats {
  if (accept === undefined || accept.length > maxAcceptLength || !/event-stream|multipart/i.test(accept))
    return { subscription: null, deferred: null, answer: 'json' };
  // A boundary in the header is ignored, because the server chooses the boundary.
  const header = accept.toLowerCase().replace(/;\s*boundary=("[^"]*"|[^;,\s]*)/g, '');
  const ranges = header.split(',').map((range) => range.trim());
  const isNamed = (type: string, parameter = '') =>
    ranges.some((range) => range.startsWith(type) && range.includes(parameter));
  const named = [
    ...(isNamed('text/event-stream') ? [eventStream] : []),
    ...(isNamed('multipart/mixed', 'subscriptionspec=') ? [multipartStream] : []),
    ...(isNamed('multipart/mixed', 'deferspec=') ? [deferredStream] : []),
  ];
  if (named.length === 0) return { subscription: null, deferred: null, answer: 'json' };
  const negotiator = new Negotiator({ headers: { accept: header } });
  const accepted = negotiator.mediaTypes(named);
  const stream = accepted.find((type) => type !== deferredStream);
  const deferred = accepted.find((type) => type !== multipartStream);
  const [preferred] = negotiator.mediaTypes([...jsonTypes, eventStream]);
  return {
    subscription: stream === eventStream ? serverSentEvents : stream === multipartStream ? multipart : null,
    deferred:
      deferred === eventStream ? deferredServerSentEvents : deferred === deferredStream ? deferredMultipart : null,
    answer: preferred === eventStream ? serverSentEvents : preferred === undefined ? null : 'json',
  };
}

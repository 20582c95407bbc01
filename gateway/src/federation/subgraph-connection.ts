import type { GraphQLFormattedError } from 'graphql';
import { createClient as createEventsClient } from 'graphql-sse';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, type Message, MessageType, validateMessage } from 'graphql-ws';
import { Agent, fetch } from 'undici';
import { type RawData, WebSocket } from 'ws';
import { type SubgraphResponse, toSubgraphResponse } from '../execution/subgraph/subgraph-response.ts';

/** Limits of a connection for one subscription at a subgraph. */
export interface UpstreamLimits {
  /** Time-out for the subgraph to accept and acknowledge a connection. */
  connectTimeoutMs: number;
  /** Interval of pings on a WebSocket. A connection that receives nothing for twice this time counts as lost. */
  keepAliveMs: number;
  /** Largest event, in bytes. */
  maxEventBytes: number;
}

export interface UpstreamConnectionOptions extends UpstreamLimits {
  url: string;
  query: string;
  variables: Record<string, unknown>;
  authorization: string | null;
}

/** Receives the events of a connection. A connection ends with at most one call of `refuse`, `complete` or `lose`. */
export interface UpstreamSink {
  next(response: SubgraphResponse): void;
  /** The subgraph refuses the subscription. */
  refuse(errors: readonly GraphQLFormattedError[]): void;
  /** The subgraph completes the subscription. */
  complete(): void;
  /** The connection failed, was closed, or timed out. */
  lose(error: unknown): void;
}

/** Opens a connection with one subscription. Disposing closes it without calling the sink. */
export type ConnectUpstream = (options: UpstreamConnectionOptions, sink: UpstreamSink) => Disposable;

/** Time-out for a subgraph's reply to a close frame. */
const closeWithinMs = 1_000;

/**
 * Subscribes over `graphql-transport-ws`. The function uses `ws` directly, because graphql-ws's client reconnects
 * without backoff after a normal closure and can't safely be stopped while it connects.
 *
 * @see https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
 */
export const connectSocket: ConnectUpstream = (options, sink) => {
  const { url, query, variables, authorization, connectTimeoutMs, keepAliveMs, maxEventBytes } = options;
  const socket = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL, {
    handshakeTimeout: connectTimeoutMs,
    maxPayload: maxEventBytes,
    perMessageDeflate: false,
  });
  let isAcknowledged = false;
  let hasEnded = false;
  let showsLife = true;
  const end = (report?: () => void) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(connecting);
    clearInterval(keepAlive);
    close(socket);
    report?.();
  };
  const lose = (error: unknown) => end(() => sink.lose(error));
  const send = (message: object) => socket.send(JSON.stringify(message));
  const connecting = setTimeout(() => lose(new Error('it does not acknowledge')), connectTimeoutMs);
  const keepAlive = setInterval(() => {
    if (!showsLife) return lose(new Error('it is silent'));
    showsLife = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }, keepAliveMs);
  const live = () => {
    showsLife = true;
  };
  const receive = (message: Message) => {
    if (message.type === MessageType.Ping)
      return send({ type: MessageType.Pong, ...(message.payload && { payload: message.payload }) });
    if (isAcknowledged === (message.type === MessageType.ConnectionAck))
      throw new Error(`it sent ${message.type} at the wrong time`);
    switch (message.type) {
      case MessageType.ConnectionAck:
        isAcknowledged = true;
        clearTimeout(connecting);
        return send({ id: '1', type: MessageType.Subscribe, payload: { query, variables } });
      case MessageType.Next:
        return sink.next(responseOf(message.payload));
      case MessageType.Error:
        return end(() => sink.refuse(message.payload));
      case MessageType.Complete:
        return end(() => sink.complete());
      default:
    }
  };

  socket.on('open', () =>
    send({ type: MessageType.ConnectionInit, ...(authorization !== null && { payload: { authorization } }) }),
  );
  socket.on('ping', live);
  socket.on('pong', live);
  socket.on('message', (data: RawData) => {
    if (hasEnded) return;
    live();
    try {
      receive(validateMessage(JSON.parse(String(data))));
    } catch (error) {
      lose(error);
    }
  });
  // This listener is never removed: an error event without a listener would crash the process.
  socket.on('error', lose);
  socket.on('close', (code) => lose(new Error(`it closed the connection with ${code}`)));
  return { [Symbol.dispose]: () => end() };
};

function responseOf(json: unknown): SubgraphResponse {
  const response = toSubgraphResponse(json);
  if (!response) throw new Error('it sent an event that is no GraphQL response');
  return response;
}

function close(socket: WebSocket): void {
  if (socket.readyState === socket.OPEN) {
    const timer = setTimeout(() => socket.terminate(), closeWithinMs);
    socket.once('close', () => clearTimeout(timer));
    socket.close(1000);
  } else socket.terminate();
}

/**
 * Creates the client for Server-Sent Events, in the distinct connections mode of graphql-sse. Disposing closes all its
 * connections.
 */
export function createEventStreams({ connectTimeoutMs, keepAliveMs, maxEventBytes }: UpstreamLimits): {
  connect: ConnectUpstream;
} & AsyncDisposable {
  const dispatcher = new Agent({
    headersTimeout: connectTimeoutMs,
    bodyTimeout: 2 * keepAliveMs,
    connect: { timeout: connectTimeoutMs },
  });
  const fetchFn = async (url: string, init: object) => {
    const { ok, status, statusText, body } = await fetch(url, { ...init, dispatcher });
    // The body is cancelled, because an unread body keeps its connection open.
    if (!ok) await body?.cancel();
    return { ok, status, statusText, body: body && boundEvents(body, maxEventBytes) };
  };
  return {
    connect({ url, query, variables, authorization }, sink) {
      let hasEnded = false;
      const end = (report?: () => void) => {
        if (hasEnded) return;
        hasEnded = true;
        // The client is disposed explicitly. Otherwise graphql-sse would continue to read the stream after an error in
        // our code.
        client.dispose();
        report?.();
      };
      const client = createEventsClient({
        url,
        retryAttempts: 0,
        headers: authorization === null ? {} : { authorization },
        fetchFn,
      });
      client.subscribe(
        { query, variables },
        {
          next: (result) => {
            if (!hasEnded) sink.next(responseOf(result));
          },
          complete: () => end(() => sink.complete()),
          error: (error) => end(() => sink.lose(error)),
        },
      );
      return { [Symbol.dispose]: () => end() };
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

const lineFeed = 10;
const carriageReturn = 13;

/**
 * Yields the chunks of an event stream, and throws if an event has more than `maxBytes`. An empty line ends an event.
 */
async function* boundEvents(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  let lineBytes = 0;
  let previous = 0;
  for await (const chunk of body) {
    for (const byte of chunk) {
      bytes += 1;
      if (byte === carriageReturn || (byte === lineFeed && previous !== carriageReturn)) {
        if (lineBytes === 0) bytes = 0;
        lineBytes = 0;
      } else if (byte !== lineFeed) lineBytes += 1;
      previous = byte;
      if (bytes > maxBytes) throw new Error('it sent an event that is too large');
    }
    yield chunk;
  }
}

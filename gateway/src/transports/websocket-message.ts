import { type Message, MessageType, type PingMessage, type SubscribePayload, validateMessage } from 'graphql-ws';

/**
 * Parses a client's message. Returns an error if the message does not follow the protocol. The client may see the
 * error's text.
 */
export function readMessage(data: Buffer): Message | Error {
  const value = parseJson(String(data));
  if (value === undefined) return new Error('The message is not JSON');
  try {
    return validateMessage(value);
  } catch (error) {
    return error as Error;
  }
}

/** How clients such as graphql-ws begin a `subscribe` message. */
const subscribeStart = /^\{"id":"([\w-]{1,64})","type":"subscribe","payload":\{/;

/**
 * Reads the id of a `subscribe` message without parsing the message. Null if the message does not begin like
 * `subscribeStart`. A message with an id may still be invalid.
 */
export function readSubscribeId(data: Buffer): string | null {
  return subscribeStart.exec(data.toString('latin1', 0, 128))?.[1] ?? null;
}

/**
 * Parses a `subscribe` message whose id is already read. If the message does not follow the protocol, returns an error
 * whose text the client may see.
 */
export function readSubscribePayload(data: Buffer, id: string): SubscribePayload | Error {
  const message = readMessage(data);
  if (message instanceof Error) return message;
  // If JSON has duplicate keys, such as `{"id":"1",…,"id":"2"}`, the parser takes the last. `readSubscribeId` takes the
  // first.
  if (message.type !== MessageType.Subscribe || message.id !== id) return new Error('The message has duplicate keys');
  return message.payload;
}

export const acknowledgement = JSON.stringify({ type: MessageType.ConnectionAck });

/** Formats the pong that answers a ping, with the payload of the ping. */
export function formatPong(payload: PingMessage['payload']): string {
  return JSON.stringify({ type: MessageType.Pong, ...(payload && { payload }) });
}

/** Parses JSON. Returns undefined for invalid JSON, so that the client does not see the parser's message. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads the value of the key `authorization` (case-insensitive) from the payload of `connection_init`. Null if it is
 * missing or empty, or not a string.
 */
export function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}

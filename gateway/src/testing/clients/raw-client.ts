import { once } from 'node:events';
import WebSocket from 'ws';

/** A message of the protocol `graphql-transport-ws`. */
export interface RawMessage {
  id?: string;
  type: string;
  payload?: unknown;
}

/** A client that sends the test's messages unchanged, and reads one message at a time. */
export type RawClient = Awaited<ReturnType<typeof connectRaw>>;

/** Connects without sending a message. */
export async function connectRaw(url: string, protocols: string | string[] = 'graphql-transport-ws') {
  const socket = new WebSocket(url, protocols);
  const messages: RawMessage[] = [];
  let read = 0;
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`.trim());
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  await once(socket, 'open');
  const client = {
    socket,
    /** All messages so far. */
    messages,
    /** Resolves with the code and the reason of the close. */
    closed,
    send: (message: object | string) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    subscribe: (id: string, query = 'query') => client.send({ id, type: 'subscribe', payload: { query } }),
    complete: (id: string) => client.send({ id, type: 'complete' }),
    /** Resolves with the next unread message. Rejects if the socket closes first. */
    async next(): Promise<RawMessage> {
      while (messages.length <= read) {
        const cause = await Promise.race([once(socket, 'message').then(() => null), closed]);
        if (cause !== null && messages.length <= read) throw new Error(`closed: ${cause}`);
      }
      read += 1;
      return messages[read - 1] as RawMessage;
    },
    /** Resolves with the remaining messages, once the server has handled everything sent so far. */
    async rest(): Promise<RawMessage[]> {
      client.send({ type: 'ping', payload: { last: true } });
      const rest: RawMessage[] = [];
      for (;;) {
        const message = await client.next();
        if ((message.payload as { last?: boolean } | undefined)?.last) return rest;
        rest.push(message);
      }
    },
    /** The messages of an operation so far. */
    of: (id: string) => messages.filter((message) => message.id === id),
    /** Resolves with an operation's first message, or with its first message of this type. */
    async first(id: string, type?: string): Promise<RawMessage> {
      for (;;) {
        const message = client.of(id).find((each) => type === undefined || each.type === type);
        if (message) return message;
        await once(socket, 'message');
      }
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed;
    },
  };
  return client;
}

/** Connects, sends `connection_init`, and resolves once it is acknowledged. */
export async function connectReady(url: string, authorization?: string): Promise<RawClient> {
  const client = await connectRaw(url);
  client.send({ type: 'connection_init', ...(authorization !== undefined && { payload: { authorization } }) });
  await client.next();
  return client;
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GraphQLError } from 'graphql';
import { createHandler } from 'graphql-sse/lib/use/http';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { createEventQueue, type EventQueue } from '../event-queue.ts';
import { greetingSchema } from '../supergraphs/parcel-supergraph.ts';

/** A subscription to the greetings of one person or of all people, with a field of another subgraph. */
export const greeted = 'subscription ($by: ID) { hi: greeted(by: $by) { text by { name } } }';

/**
 * Starts a subgraph that serves the subscription `greeted` itself (without `@topic`), over graphql-ws and graphql-sse.
 */
export async function startGreetingServer() {
  const schema = greetingSchema((by, context) => {
    const { authorization } = context as { authorization?: string };
    requested.push({ by, authorization });
    if (by === 'nobody') throw new GraphQLError('nobody greets', { extensions: { code: 'NOT_FOUND' } });
    const queue = createEventQueue<object>(() => {
      streams.delete(queue);
      notify();
    });
    streams.add(queue);
    notify();
    return queue.events;
  });
  const requested: { by: string | undefined; authorization: string | undefined }[] = [];
  const streams = new Set<EventQueue<object>>();
  const watchers = new Set<() => void>();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  const handler = createHandler({
    schema,
    context: (request) => ({ authorization: request.raw.headers.authorization }),
  });
  const server = createServer((request, response) => {
    // `handler` rejects if the test has closed the request's connection by `cut`.
    handler(request, response).catch(() => {});
  });
  const sockets = new WebSocketServer({ server });
  const serving = useServer(
    { schema, context: ({ connectionParams }) => ({ authorization: connectionParams?.authorization }) },
    sockets,
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    socketUrl: `ws://127.0.0.1:${port}`,
    eventsUrl: `http://127.0.0.1:${port}`,
    /** The arguments and tokens of subscribe requests, in order. */
    requested,
    /** Resolves when the subgraph has exactly `count` active subscriptions. */
    async untilStreams(count: number) {
      while (streams.size !== count)
        await new Promise<void>((resolve) => {
          const watcher = () => {
            watchers.delete(watcher);
            resolve();
          };
          watchers.add(watcher);
        });
    },
    greet(text: string, by?: string) {
      for (const stream of streams) stream.push({ greeted: { text, ...(by && { by: { id: by } }) } });
    },
    complete() {
      for (const stream of streams) stream.end();
    },
    /** Destroys every connection, as after a crash. */
    cut() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      await serving.dispose();
      server.closeAllConnections();
      server.close();
    },
  };
}

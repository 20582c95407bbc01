import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const json = { 'content-type': 'application/json' };

/** Starts a subgraph whose responses the test writes. Without `respond` it accepts every request and never responds. */
export async function startSubgraph(respond: (response: ServerResponse, body: string) => unknown = () => {}) {
  const calls: ServerResponse[] = [];
  const closed: Promise<unknown>[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    response.on('error', () => {});
    const body = await text(request).catch(() => '');
    calls.push(response);
    server.emit('called');
    await respond(response, body);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => closed.push(new Promise((resolve) => socket.once('close', resolve))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    /** The response objects of all calls so far. `req` of a response object is the request. */
    calls,
    /** Resolves with the response object of the nth call, once the call has arrived. */
    async call(number: number): Promise<ServerResponse> {
      while (calls.length < number) await once(server, 'called');
      return calls[number - 1] as ServerResponse;
    },
    /** Number of connections so far. */
    connections: () => closed.length,
    /** Resolves once all connections so far are closed. */
    allClosed: () => Promise.all(closed),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Writes a GraphQL response. */
export function respondWith(response: ServerResponse | undefined, body: object): void {
  response?.writeHead(200, json).end(JSON.stringify(body));
}

/**
 * Starts a second server for the subgraph `people`. It answers every call with `hello` as the value of the field
 * `hello`.
 */
export function startHelloSubgraph(hello = 'hello from elsewhere') {
  return startSubgraph((response) => respondWith(response, { data: { hello } }));
}

/** Starts a proxy, which gives a subgraph a second URL. */
export function startSubgraphProxy(url: string) {
  return startSubgraph(async (response, body) => {
    const answer = await fetch(url, { method: 'POST', headers: json, body });
    response.writeHead(answer.status, json).end(await answer.text());
  });
}

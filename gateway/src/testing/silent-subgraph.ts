import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A subgraph that takes every request and answers none. */
export async function startSilentSubgraph() {
  const requests: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    requests.push(response);
    server.emit('asked');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    /** Resolves with a request, once so many have come. */
    async request(number: number): Promise<ServerResponse> {
      while (requests.length < number) await once(server, 'asked');
      return requests[number - 1] as ServerResponse;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A subgraph that accepts every request and never responds. */
export async function startSilentSubgraph() {
  const requests: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    requests.push(response);
    server.emit('requested');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    /** Resolves with the nth request, once it has arrived. */
    async request(number: number): Promise<ServerResponse> {
      while (requests.length < number) await once(server, 'requested');
      return requests[number - 1] as ServerResponse;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

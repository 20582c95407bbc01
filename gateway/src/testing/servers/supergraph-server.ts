import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Starts a registry that serves the test's supergraph with an ETag. */
export async function startSupergraphServer(text = '', status = 200) {
  const served = { text, status };
  const seen: { headers: IncomingHttpHeaders; status: number }[] = [];
  const server = createServer(({ headers }, response) => {
    const etag = `"${Buffer.from(served.text).toString('base64url').slice(-20)}"`;
    const isKnown = served.status === 200 && headers['if-none-match'] === etag;
    seen.push({ headers, status: isKnown ? 304 : served.status });
    server.emit('seen');
    response.writeHead(isKnown ? 304 : served.status, { etag }).end(isKnown ? '' : served.text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/supergraph.graphql`,
    served,
    seen,
    /** Resolves once `count` requests were answered with `status`. */
    async untilSeen(count: number, status: number) {
      while (seen.filter((each) => each.status === status).length < count) await once(server, 'seen');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

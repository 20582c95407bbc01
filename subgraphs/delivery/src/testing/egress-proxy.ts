import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** An HTTP proxy on loopback. All its tunnels lead to one receiver. Use it with `await using`. */
export interface EgressProxy extends AsyncDisposable {
  readonly url: string;
  /** The targets of all tunnels so far, such as `receiver.example.com:443`. A request without a tunnel adds its URL. */
  readonly targets: readonly string[];
  /** The header `proxy-authorization` of each request for a tunnel. */
  readonly credentials: readonly (string | undefined)[];
  /** The status of the proxy's responses to requests for tunnels. */
  status: number;
  /** Stops listening, and closes all connections. */
  stop(): Promise<void>;
}

/** @param receiverUrl URL of the receiver to which all tunnels lead */
export async function startEgressProxy(receiverUrl: string): Promise<EgressProxy> {
  const targets: string[] = [];
  const credentials: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    targets.push(request.url ?? '');
    response.writeHead(proxy.status).end();
  });
  server.on('connect', (request, socket) => {
    targets.push(request.url ?? '');
    credentials.push(request.headers['proxy-authorization']);
    socket.on('error', () => {});
    if (proxy.status !== 200) return socket.end(`HTTP/1.1 ${proxy.status} Status\r\n\r\n`);
    const connection = connect(Number(new URL(receiverUrl).port), '127.0.0.1', () =>
      socket.write('HTTP/1.1 200 OK\r\n\r\n'),
    );
    connection.on('error', () => socket.destroy());
    socket.on('close', () => connection.destroy());
    connection.pipe(socket).pipe(connection);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = async () => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  const proxy: EgressProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    credentials,
    status: 200,
    stop,
    [Symbol.asyncDispose]: stop,
  };
  return proxy;
}

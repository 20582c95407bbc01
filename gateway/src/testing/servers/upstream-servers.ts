import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

/** Starts a WebSocket server in place of a subgraph. The test writes its frames. */
export async function startUpstreamSockets(
  onSocket: (socket: WebSocket) => void,
  options: { autoPong?: boolean } = {},
) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  let sockets = 0;
  server.on('connection', (socket) => {
    sockets += 1;
    socket.on('error', () => {});
    onSocket(socket);
    server.emit('counted');
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Number of connections so far. */
    get sockets() {
      return sockets;
    },
    /** Resolves once there have been `count` connections. */
    async untilSockets(count: number) {
      while (sockets < count) await once(server, 'counted');
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** Starts a server that accepts connections and sends nothing. */
export async function startSilentServer() {
  const waiting: ((socket: Socket) => void)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => waiting.shift()?.(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Resolves with the next connection on which data arrives. */
    connection: () => new Promise<Socket>((resolve) => void waiting.push(resolve)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

import { parentPort, workerData } from 'node:worker_threads';
import { openClients } from '../load/load-client.ts';

export interface ReadersData {
  /** URL of the gateway. */
  url: string;
  query: string;
  /** The tokens, one per reader. */
  tokens: readonly string[];
}

/** The messages to this thread. The thread answers each message with the number of events that it has received. */
export type ReadersQuestion = 'received' | 'stall';

const heartbeatMs = 5_000;
const { url, query, tokens } = workerData as ReadersData;
let received = 0;
const clients = await openClients(
  tokens.map((token) => ({
    url,
    connectionInit: { authorization: token },
    subscribe: { query },
    onNext() {
      received += 1;
    },
  })),
);
const sockets = clients.flatMap((client) => client?.socket ?? []);
if (sockets.length < tokens.length) throw new Error('not all readers could connect');

parentPort?.on('message', (question: ReadersQuestion) => {
  if (question === 'stall') stall();
  parentPort?.postMessage(received);
});
parentPort?.postMessage(received);

function stall(): void {
  for (const socket of sockets) socket.pause();
  // A stalled client does not read the gateway's pings. It sends pongs unasked (RFC 6455, 5.5.3), because the gateway
  // would otherwise close the connection as dead before its buffer is full.
  setInterval(() => {
    for (const socket of sockets) if (socket.readyState === socket.OPEN) socket.pong();
  }, heartbeatMs);
}

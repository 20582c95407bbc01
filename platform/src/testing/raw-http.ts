import { connect } from 'node:net';

/** What came back over a raw connection until the server closed it. */
export interface RawAnswer {
  /** Of each response, in order; empty when the server closed without one. */
  statuses: number[];
  text: string;
}

/** Sends bytes as they are, then half-closes; resolves once the server has closed, too. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A reset is a way to close, too: what counts is what came before.
  socket.on('error', () => {});
  socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  const text = Buffer.concat(chunks).toString('latin1');
  return { statuses: [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status)), text };
}

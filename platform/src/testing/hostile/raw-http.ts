import { connect } from 'node:net';

/** The data that a raw connection received until the server closed it. */
export interface RawAnswer {
  /** The statuses of the responses, in order; empty if the server closed the connection without a response. */
  statuses: number[];
  text: string;
}

/** Sends raw bytes, then half-closes the connection. Resolves once the server has closed the connection. */
export async function sendRaw(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The server may also close with a reset. Only the data that was received before the reset counts.
  socket.on('error', () => {});
  socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  const text = Buffer.concat(chunks).toString('latin1');
  return { statuses: [...text.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status)), text };
}

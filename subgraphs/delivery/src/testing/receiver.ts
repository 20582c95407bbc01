import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Receiver extends AsyncDisposable {
  url: string;
  /** All that has come, oldest first. */
  received: Received[];
  /** The next request that `next` has not answered yet. */
  next(): Promise<Received>;
  /** How it answers from now on. */
  answer: (response: ServerResponse, request: Received) => void;
}

/** A client's callback receiver on a free port. Answers 204 until told otherwise. */
export async function openReceiver({ port = 0 }: { port?: number } = {}): Promise<Receiver> {
  const received: Received[] = [];
  const waiting: ((request: Received) => void)[] = [];
  let taken = 0;
  const server = createServer(async (request, response) => {
    const one = { path: request.url ?? '', headers: request.headers, body: await text(request) };
    received.push(one);
    waiting.shift()?.(one);
    receiver.answer(response, one);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    received,
    answer: (response) => void response.writeHead(204).end(),
    next() {
      const ready = received[taken];
      taken += 1;
      return ready ? Promise.resolve(ready) : new Promise((resolve) => waiting.push(resolve));
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  return receiver;
}

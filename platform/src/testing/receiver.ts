import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedCall {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  json: unknown;
}

/** A server that takes calls, as a client's callback receiver does. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** All calls so far. */
  readonly calls: readonly ReceivedCall[];
  /** The next call that no earlier `next` has answered; waits for it. */
  next(): Promise<ReceivedCall>;
  /** Statuses of the next answers; 200 after them. `hang` never answers. */
  answerWith(...statuses: (number | 'hang')[]): void;
}

export async function startReceiver({
  path = '/callback',
  port = 0,
  headers = {} as Record<string, string>,
} = {}): Promise<Receiver> {
  const calls: ReceivedCall[] = [];
  const unread: ReceivedCall[] = [];
  const waiting: ((call: ReceivedCall) => void)[] = [];
  const statuses: (number | 'hang')[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => '');
    const call = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body,
      json: parsed(body),
    };
    const status = statuses.shift() ?? 200;
    calls.push(call);
    if (status !== 'hang') response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{}');
    const waiter = waiting.shift();
    if (waiter) waiter(call);
    else unread.push(call);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    calls,
    async next() {
      return unread.shift() ?? (await new Promise<ReceivedCall>((resolve) => waiting.push(resolve)));
    },
    answerWith: (...next) => void statuses.push(...next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

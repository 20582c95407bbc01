import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReceivedCall {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  json: unknown;
  /** Resolves when the caller's connection is closed. */
  closed: Promise<void>;
}

/**
 * The response: a status, with the body `{}`; a status with a body; no response; or a function that writes the
 * response.
 */
export type ReceiverAnswer =
  | number
  | { status: number; body: string }
  | 'hang'
  | ((response: ServerResponse, call: ReceivedCall) => void);

/** An HTTP server that records calls, like a client's callback receiver. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly ReceivedCall[];
  /** Resolves with the next call, in order of arrival; waits if there is none yet. */
  next(): Promise<ReceivedCall>;
  /** Sets the next responses, in order. After them, `answer` is used. */
  answerWith(...answers: ReceiverAnswer[]): void;
  /** The response to calls for which `answerWith` has none. A test may replace it. Default: 200. */
  answer: ReceiverAnswer;
}

export async function startReceiver({
  path = '/callback',
  port = 0,
  headers = {} as Record<string, string>,
  answer = 200 as ReceiverAnswer,
} = {}): Promise<Receiver> {
  const calls: ReceivedCall[] = [];
  const unread: ReceivedCall[] = [];
  const waiting: ((call: ReceivedCall) => void)[] = [];
  const answers: ReceiverAnswer[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => '');
    const call = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body,
      json: parsed(body),
      closed: new Promise<void>((resolve) => response.once('close', resolve)),
    };
    const answer = answers.shift() ?? receiver.answer;
    calls.push(call);
    if (typeof answer === 'function') answer(response, call);
    else if (answer !== 'hang') {
      const { status, body } = typeof answer === 'number' ? { status: answer, body: '{}' } : answer;
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
    }
    const waiter = waiting.shift();
    if (waiter) waiter(call);
    else unread.push(call);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    calls,
    answer,
    async next() {
      return unread.shift() ?? (await new Promise<ReceivedCall>((resolve) => waiting.push(resolve)));
    },
    answerWith: (...next) => void answers.push(...next),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

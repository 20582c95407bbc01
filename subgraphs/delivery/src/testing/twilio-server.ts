import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { twilioSignature } from '../channels/sms/twilio-signature.ts';

export interface TwilioMessage {
  sid: string;
  /** The form of the request: `To`, `From`, `Body` and so on. */
  form: Record<string, string>;
}

/** A response other than a created message: one of Twilio's errors, or a function that writes the response. */
export type TwilioAnswer = { status: number; code?: number; headers?: Record<string, string> } | WriteAnswer;
export type WriteAnswer = (response: ServerResponse, message: TwilioMessage) => void;

/** A server that simulates the part of Twilio's API that creates messages. Use it with `await using`. */
export interface TwilioServer extends AsyncDisposable {
  readonly url: string;
  readonly accountSid: string;
  /** The valid token. A test may replace it; then the previous token is refused. */
  authToken: string;
  /** All requests with valid credentials so far, including those that got an error. */
  readonly messages: readonly TwilioMessage[];
  /** Number of requests that were refused with 401. */
  readonly refused: number;
  /** Resolves with the next request that no earlier call of `next` has returned. */
  next(): Promise<TwilioMessage>;
  /** Sets the next responses, in order. Later requests create messages again. */
  answerWith(...answers: TwilioAnswer[]): void;
  /** Posts a signed status callback about a message. Returns the status of the response. */
  report(message: TwilioMessage, status: string, options?: ReportOptions): Promise<number>;
}

export interface ReportOptions {
  errorCode?: number;
  /** Where the report is posted: `publicUrl` in the callback URL is replaced by `url`. Default: no replacement. */
  via?: { publicUrl: string; url: string };
}

/** Twilio's test numbers, with Twilio's error code for each. */
const magicNumbers: Readonly<Record<string, number>> = {
  '+15005550001': 21_211,
  '+15005550004': 21_610,
  '+15005550009': 21_614,
};

export async function startTwilioServer({ port = 0 } = {}): Promise<TwilioServer> {
  const messages: TwilioMessage[] = [];
  const unread: TwilioMessage[] = [];
  const waiting: ((message: TwilioMessage) => void)[] = [];
  const answers: TwilioAnswer[] = [];
  let refused = 0;
  const accountSid = `AC${randomBytes(16).toString('hex')}`;
  const path = `/2010-04-01/Accounts/${accountSid}/Messages.json`;

  const answer = (request: IncomingMessage, response: ServerResponse, body: string) => {
    if (request.url !== path || request.method !== 'POST') return sendError(response, 404, 20_404);
    const credentials = Buffer.from(`${accountSid}:${twilio.authToken}`).toString('base64');
    if (request.headers.authorization !== `Basic ${credentials}`) {
      refused += 1;
      return sendError(response, 401, 20_003);
    }
    const message = {
      sid: `SM${randomBytes(16).toString('hex')}`,
      form: Object.fromEntries(new URLSearchParams(body)),
    };
    messages.push(message);
    const given = answers.shift();
    if (typeof given === 'function') given(response, message);
    else if (given) sendError(response, given.status, given.code, given.headers);
    else createMessage(response, message);
    const waiter = waiting.shift();
    if (waiter) waiter(message);
    else unread.push(message);
  };
  const server = createServer(
    async (request, response) => void answer(request, response, await text(request).catch(() => '')),
  );
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const twilio: TwilioServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accountSid,
    authToken: randomBytes(16).toString('hex'),
    messages,
    get refused() {
      return refused;
    },
    next: async () => unread.shift() ?? (await new Promise((resolve) => waiting.push(resolve))),
    answerWith: (...next) => void answers.push(...next),
    async report({ sid, form: { To = '', StatusCallback: url = '' } }, status, { errorCode, via } = {}) {
      const form = new URLSearchParams({
        AccountSid: accountSid,
        ApiVersion: '2010-04-01',
        MessageSid: sid,
        MessageStatus: status,
        SmsSid: sid,
        SmsStatus: status,
        To,
        ...(errorCode !== undefined && { ErrorCode: String(errorCode) }),
      });
      const response = await fetch(via ? url.replace(via.publicUrl, via.url) : url, {
        method: 'POST',
        body: form,
        headers: { 'x-twilio-signature': twilioSignature({ authToken: twilio.authToken, url, form }) },
      });
      await response.arrayBuffer();
      return response.status;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return twilio;
}

/** Responds to a valid request as Twilio does. */
export function createMessage(response: ServerResponse, { sid, form }: TwilioMessage): void {
  const code = magicNumbers[form.To ?? ''];
  const body = { sid, status: form.MessagingServiceSid ? 'accepted' : 'queued', error_code: null, to: form.To };
  if (code !== undefined) sendError(response, 400, code);
  else response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendError(
  response: ServerResponse,
  status: number,
  code?: number,
  headers: Record<string, string> = {},
): void {
  const body = { code, message: 'An error', more_info: `https://www.twilio.com/docs/errors/${code}`, status };
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

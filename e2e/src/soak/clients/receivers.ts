import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import type { ReceivedCallback } from './ledger.ts';

/** Receives and verifies the callbacks of many customers, each at a separate path. */
export interface Receivers extends AsyncDisposable {
  readonly calls: readonly ReceivedCallback[];
  /** Opens a callback URL for a customer. The receiver verifies callbacks to this URL with `secret`. */
  open(customer: string, secret: string): string;
  /** Stops responding to this customer's calls. With `isHanging: false` it responds again. */
  hang(customer: string, isHanging: boolean): void;
  /** Calls `look` after each call. */
  onCall(look: (call: ReceivedCallback) => void): void;
}

export async function startReceivers(): Promise<Receivers> {
  const calls: ReceivedCallback[] = [];
  const owners = new Map<string, { customer: string; webhook: Webhook }>();
  const hanging = new Set<string>();
  const unanswered = new Set<ServerResponse>();
  let look: (call: ReceivedCallback) => void = () => {};
  const server = createServer(async (request, response) => {
    const body = await text(request).catch(() => null);
    const owner = owners.get(request.url ?? '');
    if (body === null || !owner) return void response.writeHead(404).end();
    const { customer, webhook } = owner;
    const isTaken = !hanging.has(customer);
    const headers = request.headers as Record<string, string>;
    const call = {
      customer,
      webhookId: headers['webhook-id'] ?? '',
      body,
      isTaken,
      ...readCallback(webhook, body, headers),
    };
    calls.push(call);
    look(call);
    if (isTaken) return void response.writeHead(200).end();
    unanswered.add(response);
    response.once('close', () => unanswered.delete(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    calls,
    open(customer, secret) {
      const path = `/${owners.size}`;
      owners.set(path, { customer, webhook: new Webhook(secret) });
      return `${url}${path}`;
    },
    hang(customer, isHanging) {
      if (isHanging) hanging.add(customer);
      else hanging.delete(customer);
    },
    onCall(next) {
      look = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readCallback(webhook: Webhook, body: string, headers: Record<string, string>) {
  const { type = '', data = {} } = parse(body) as { type?: string; data?: { requestId?: string; code?: string } };
  const { requestId = '', code = '' } = data;
  try {
    webhook.verify(body, headers);
    return { type, requestId, code, isGenuine: true };
  } catch {
    return { type, requestId, code, isGenuine: false };
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

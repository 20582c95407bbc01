import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import { Pool } from 'undici';
import WebSocket from 'ws';

export interface Customer {
  token: string;
  phoneNumber: string;
}

export async function openApi(gatewayUrl: string) {
  const pool = new Pool(gatewayUrl, { connections: 256, pipelining: 1 });
  const post = async (query: string, variables: object, authorization?: string) => {
    const { body } = await pool.request({
      path: '/graphql',
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: JSON.stringify({ query, variables }),
    });
    const answer = (await body.json()) as { data?: unknown; errors?: unknown };
    if (answer.errors || !answer.data) throw new Error(JSON.stringify(answer.errors));
    return answer.data;
  };
  return {
    async signUp(index: number): Promise<Customer> {
      const phoneNumber = `+849${String(10_000_000 + index)}`;
      const { signUp } = (await post('mutation ($input: SignUpInput!) { signUp(input: $input) { token } }', {
        input: { username: `bench-${index}`, phoneNumber, password: 'correct horse' },
      })) as { signUp: { token: string } };
      return { token: signUp.token, phoneNumber };
    },
    async requestVoucher(token: string, callbackUrl: string): Promise<string> {
      const { requestVoucher } = (await post(
        'mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id message } }',
        { input: { callbackUrl } },
        token,
      )) as { requestVoucher: { id: string } };
      return requestVoucher.id;
    },
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

export async function startReceiver(onCall: (requestId: string) => void) {
  const server = createServer((incoming, response) => {
    let text = '';
    incoming.on('data', (chunk) => {
      text += chunk;
    });
    incoming.on('end', () => {
      onCall(JSON.parse(text).data.requestId);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Subscribes to a customer's codes. Resolves once the subscription is active. */
export async function subscribe(url: string, { token }: Customer, onCode: (requestId: string) => void) {
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: token },
    retryAttempts: 0,
  });
  client.subscribe<{ voucherReceived: { node: { requestId: string } } }>(
    { query: 'subscription { voucherReceived { node { requestId code } } }' },
    {
      next: ({ data }) => data && onCode(data.voucherReceived.node.requestId),
      error: (error) => console.error('a subscription failed', error),
      complete: () => {},
    },
  );
  for await (const _answer of client.iterate({ query: '{ __typename }' })) break;
  return { [Symbol.asyncDispose]: async () => void (await client.dispose()) };
}

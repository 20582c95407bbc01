import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { within } from '@voucher-gateway/platform/async/deadline';
import { createClient } from 'graphql-ws';
import { Webhook } from 'standardwebhooks';
import WebSocket from 'ws';

export interface DemoOptions {
  gatewayUrl: string;
  vpsUrl: string;
  user: { username: string; phoneNumber: string; password: string };
  /** Prints a line. */
  say(line: string): void;
}

/** Runs the demo: sign up, start a receiver, request, subscribe, verify, list. Rejects if a step fails. */
export async function createDemo({ gatewayUrl, vpsUrl, user, say }: DemoOptions): Promise<void> {
  const startedAt = performance.now();
  const step = (what: string, detail?: unknown) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(2).padStart(6);
    say(
      `${seconds} s  ${what}${detail === undefined ? '' : `\n          ${typeof detail === 'string' ? detail : JSON.stringify(detail)}`}`,
    );
  };

  const { signUp } = await graphql<{ signUp: { token: string; user: { id: string } } }>(
    `mutation SignUp($input: SignUpInput!) { signUp(input: $input) { token user { id } } }`,
    { input: user },
  );
  const authorization = `Bearer ${signUp.token}`;
  step(`Signed up as ${user.username}, ${user.phoneNumber}`);
  const { me } = await graphql<{ me: { callbackSecret: string } }>(
    'query Secret { me { callbackSecret } }',
    {},
    authorization,
  );
  step('Got the secret that callbacks are signed with', `${me.callbackSecret.slice(0, 12)}…`);

  const called = Promise.withResolvers<{ headers: Record<string, string>; body: string }>();
  const receiver = createServer(async (request, response) => {
    called.resolve({ headers: request.headers as Record<string, string>, body: await text(request) });
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const callbackUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/voucher-callback`;
  step(`Started a receiver at ${callbackUrl}`);

  const socket = createClient({
    url: `${gatewayUrl.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
  });
  try {
    await fetch(`${vpsUrl}/control/next`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber: user.phoneNumber, delayMs: 5_000 }),
    }).catch(() => null);
    const { requestVoucher } = await graphql<{
      requestVoucher: { id: string; message: string; cursor: string; expectedBy: string };
    }>(
      `mutation Request($input: RequestVoucherInput!) { requestVoucher(input: $input) { id message cursor expectedBy } }`,
      { input: { callbackUrl } },
      authorization,
    );
    step(`Asked for a voucher: "${requestVoucher.message}"`, {
      id: requestVoucher.id,
      expectedBy: requestVoucher.expectedBy,
    });
    const events = socket.iterate<{
      voucherReceived: { node: { code: string; status: string; owner: { username: string } } };
    }>({
      query: `subscription Received($after: String) { voucherReceived(after: $after) { cursor node { code status owner { username } deliveries { channel status } } } }`,
      variables: { after: requestVoucher.cursor },
    });
    step('Subscribed to voucherReceived over a WebSocket; waiting for the provider');
    const live = events.next().then(({ value }) => {
      if (value?.errors || !value?.data) throw new Error(`the subscription failed: ${JSON.stringify(value?.errors)}`);
      step('The code came over the subscription', value.data.voucherReceived.node);
    });
    const callback = called.promise.then(({ headers, body }) => {
      new Webhook(me.callbackSecret).verify(body, headers);
      step('The code came to the callback URL, and its signature is right', body);
    });
    await within(120_000, Promise.all([live, callback]));
    const { purchasedVouchers } = await graphql<{ purchasedVouchers: { nodes: { code: string }[] } }>(
      'query List { purchasedVouchers { nodes { code status requestedAt receivedAt deliveries { channel status attempts { status durationMs } } } } }',
      {},
      authorization,
    );
    step('The purchased vouchers', purchasedVouchers.nodes);
    await graphql('mutation { signOut }', {}, authorization);
    step('Signed out. That is all.');
  } finally {
    await socket.dispose();
    receiver.close();
    receiver.closeAllConnections();
  }

  async function graphql<Data>(query: string, variables: object, token?: string): Promise<Data> {
    const response = await fetch(`${gatewayUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: token }) },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
    if (errors?.length || !data)
      throw new Error(errors?.map((error) => error.message).join('; ') ?? `status ${response.status}`);
    return data;
  }
}

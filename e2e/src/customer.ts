import { randomInt, randomUUID } from 'node:crypto';
import { type Answer, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { type ReceivedCall, type Receiver, startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { createClient } from 'graphql-ws';
import { Webhook } from 'standardwebhooks';
import WebSocket from 'ws';
import type { System } from './system.ts';

/** The body of the simulated provider's `POST /control/next`. */
export interface ProviderInstruction {
  delayMs?: number;
  fault?: string;
  times?: number;
}

/** A verified callback's body. */
export interface Callback {
  type: 'voucher.received' | 'voucher.failed';
  timestamp: string;
  data: Record<string, string>;
}

/** Resolves with the next event of a subscription. Rejects if the subscription has ended, or if the event has errors. */
// biome-ignore lint/suspicious/noExplicitAny: the type depends on the query
export type NextEvent = () => Promise<any>;

/** A customer that uses the product over the network, with a callback receiver. Use it with `await using`. */
export interface Customer extends AsyncDisposable {
  readonly username: string;
  /** The customer's phone number, as E.164. */
  readonly phoneNumber: string;
  readonly token: string;
  readonly receiver: Receiver;
  /** Executes an operation. Throws if the response has errors. */
  // biome-ignore lint/suspicious/noExplicitAny: the type depends on the query
  graphql(query: string, variables?: object): Promise<Record<string, any>>;
  /** Executes an operation, and returns the response with its errors. */
  answerOf(query: string, variables?: object): Promise<Answer>;
  // biome-ignore lint/suspicious/noExplicitAny: the type depends on the query
  requestVoucher(input?: object): Promise<any>;
  /** Subscribes. Resolves once the subscription is active. */
  subscribe(query: string, variables?: object): Promise<NextEvent>;
  /** The next callback, with its signature verified. */
  nextCallback(): Promise<Callback>;
  verify(call: ReceivedCall): Callback;
  /** Instructs the simulated provider how to respond to this customer's next request. */
  instructProvider(instruction: ProviderInstruction): Promise<void>;
}

/** Signs up a new customer. */
export async function startCustomer(system: System, { receiverPort = 0 } = {}): Promise<Customer> {
  await using releases = new AsyncDisposableStack();
  const username = `user-${randomUUID().slice(0, 18)}`;
  const phoneNumber = `+849${randomInt(10_000_000, 99_999_999)}`;
  const url = `${system.gatewayUrl}/graphql`;
  const signedUp = await postGraphql(
    url,
    'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { callbackSecret } } }',
    { input: { username, phoneNumber, password: 'correct horse' } },
  );
  if (!signedUp.data) throw new Error(`sign-up failed: ${JSON.stringify(signedUp.errors)}`);
  const token: string = signedUp.data.signUp.token;

  const answerOf = (query: string, variables: object = {}) => postGraphql(url, query, variables, token);
  const graphql = async (query: string, variables: object = {}) => {
    const { data, errors } = await answerOf(query, variables);
    if (errors || !data) throw new Error(`refused: ${JSON.stringify(errors)}`);
    return data;
  };
  const secret: string = (await graphql('{ me { callbackSecret } }')).me.callbackSecret;
  const receiver = releases.use(await startReceiver({ port: receiverPort }));
  const verify = (call: ReceivedCall) =>
    new Webhook(secret).verify(call.body, call.headers as Record<string, string>) as Callback;
  const owned = releases.move();

  return {
    username,
    phoneNumber,
    token,
    receiver,
    answerOf,
    graphql,
    verify,
    nextCallback: async () => verify(await receiver.next()),
    requestVoucher: async (input = { callbackUrl: receiver.url }) =>
      (
        await graphql(
          'mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id status message phoneNumber requestedAt expectedBy cursor } }',
          { input },
        )
      ).requestVoucher,
    async subscribe(query, variables = {}) {
      const client = createClient({
        url: url.replace('http', 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: { authorization: token },
        retryAttempts: 0,
      });
      owned.defer(async () => void (await client.dispose()));
      const events = client.iterate({ query, variables: { ...variables } });
      const first = events.next();
      first.catch(() => {});
      // The gateway handles a socket's messages in order. So once this query is answered, the subscription is active.
      for await (const _answer of client.iterate({ query: '{ __typename }' })) break;
      let isFirst = true;
      return async () => {
        const { value, done } = await (isFirst ? first : events.next());
        isFirst = false;
        if (done) throw new Error('the subscription has ended');
        if (value.errors) throw new Error(`the subscription failed: ${JSON.stringify(value.errors)}`);
        return value.data;
      };
    },
    async instructProvider(instruction) {
      const response = await fetch(`${system.vpsUrl}/control/next`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ phoneNumber, ...instruction }),
      });
      if (!response.ok) throw new Error(`the provider refused: ${await response.text()}`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

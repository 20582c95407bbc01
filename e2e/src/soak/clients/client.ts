import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFollower } from '../../follower.ts';
import { postOnce } from './gateway-client.ts';
import type { LedgerRequest, SeenVoucher } from './ledger.ts';
import type { Receivers } from './receivers.ts';

/** Records what the clients of a soak see. */
export interface Recorder {
  requests: LedgerRequest[];
  streamed: SeenVoucher[];
  /** Number of retried requests, by error code. */
  repeats: Map<string, number>;
}

export interface ClientOptions {
  nextGateway(): string;
  receivers: Receivers;
  recorder: Recorder;
  /** Aborts pending retries. */
  signal: AbortSignal;
}

/**
 * A customer of the soak. The client subscribes to its vouchers. It retries requests with the same idempotency key. It
 * signs in again when its session has ended.
 */
export interface SoakClient extends AsyncDisposable {
  readonly phoneNumber: string;
  /** Requests a voucher, with retries until there is a response. */
  requestVoucher(input?: { phoneNumber?: string }): Promise<LedgerRequest>;
  /** Sends an earlier request again, with the same key. */
  repeat(request: LedgerRequest): Promise<void>;
  /** Executes an operation, with retries until there is a response. */
  // biome-ignore lint/suspicious/noExplicitAny: a caller reads what it asked for
  graphql(query: string, variables?: object): Promise<Record<string, any>>;
}

const password = 'correct horse';
const signUpMutation =
  'mutation ($input: SignUpInput!) { signUp(input: $input) { token user { phoneNumber callbackSecret } } }';
const signInMutation = 'mutation ($input: SignInInput!) { signIn(input: $input) { token } }';
const requestMutation = 'mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id cursor } }';
const pauseMs = 250;
/** Largest delay of exponential backoff between retries. Backoff prevents an overload of the system after an outage. */
const maxPauseMs = 8_000;

/** Signs up a customer, requests a first voucher, and follows the feed from its start. */
export async function startClient(index: number, options: ClientOptions): Promise<SoakClient> {
  const { nextGateway, receivers, recorder, signal } = options;
  const username = `soak-${index}-${randomUUID().slice(0, 8)}`;
  let token: Promise<string> | undefined;

  const post = async (query: string, variables: object, isSignedIn: boolean) => {
    for (let pause = pauseMs; ; pause = Math.min(2 * pause, maxPauseMs)) {
      signal.throwIfAborted();
      const used = isSignedIn ? token : undefined;
      const outcome = await postOnce(nextGateway(), query, variables, await used);
      if ('data' in outcome || 'refusal' in outcome) return outcome;
      const why = 'retry' in outcome ? outcome.retry : outcome.signIn;
      recorder.repeats.set(why, (recorder.repeats.get(why) ?? 0) + 1);
      if ('signIn' in outcome) renew(used);
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal });
    }
  };
  const graphql = async (query: string, variables: object = {}, isSignedIn = true) => {
    const outcome = await post(query, variables, isSignedIn);
    if ('data' in outcome) return outcome.data;
    throw new Error(`refused: ${outcome.refusal}`);
  };
  /** Signs in again, once for all concurrent calls whose token has expired. */
  const renew = (stale: Promise<string> | undefined) => {
    if (token !== stale) return;
    token = graphql(signInMutation, { input: { username, password } }, false).then(({ signIn }) => signIn.token);
    token.catch(() => {});
  };

  const input = { username, phoneNumber: `+849${String(10_000_000 + index)}`, password };
  const { signUp } = await graphql(signUpMutation, { input }, false);
  token = Promise.resolve(signUp.token);
  const { phoneNumber } = signUp.user;
  const callbackUrl = receivers.open(phoneNumber, (await graphql('{ me { callbackSecret } }')).me.callbackSecret);

  const send = async (request: LedgerRequest, more: object) => {
    const outcome = await post(requestMutation, { input: { callbackUrl, idempotencyKey: request.key, ...more } }, true);
    if ('refusal' in outcome) request.refusal = outcome.refusal;
    if (!('data' in outcome)) return '';
    request.ids.push(outcome.data.requestVoucher.id);
    return outcome.data.requestVoucher.cursor as string;
  };
  const begin = (isForbidden: boolean): LedgerRequest => {
    const request = { customer: phoneNumber, key: randomUUID(), isForbidden, ids: [] };
    recorder.requests.push(request);
    return request;
  };

  const after = await send(begin(false), {});
  let connectedWith = token;
  const follower = startFollower({
    token: () => {
      connectedWith = token as Promise<string>;
      return connectedWith;
    },
    after,
    nextGateway,
    reconnectAfterMs: pauseMs,
    onVoucher: (voucher) => void recorder.streamed.push({ customer: phoneNumber, ...voucher }),
    onCutOff: (code) => {
      if (code === 4_403 || code === 'SESSION_EXPIRED' || code === 'UNAUTHENTICATED') renew(connectedWith);
    },
  });

  return {
    phoneNumber,
    graphql,
    async requestVoucher(more = {}) {
      const request = begin(more.phoneNumber !== undefined);
      await send(request, more);
      return request;
    },
    async repeat(request) {
      await send(request, {});
    },
    [Symbol.asyncDispose]: () => follower[Symbol.asyncDispose](),
  };
}

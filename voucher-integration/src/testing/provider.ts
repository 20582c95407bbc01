import { challengeOf } from '@voucher-gateway/schema/vps-protocol';
import { fastify } from 'fastify';

export const verifierA = 'a'.repeat(43);
export const verifierB = 'b'.repeat(43);

/** Returns the provider's acknowledgement. The code follows in a callback with this verifier. */
export function acknowledgementOf(verifier = verifierA) {
  return { codeChallenge: challengeOf(verifier), transformMethod: 'S256' };
}

export interface TestProvider extends AsyncDisposable {
  readonly url: string;
}

/** Starts a provider with custom answers, for cases that the simulator does not have. */
export async function startProvider(answer: (key: string) => Promise<object> | object): Promise<TestProvider> {
  const app = fastify({ forceCloseConnections: true });
  app.post('/api/request/voucher', (request) => answer(String(request.headers['idempotency-key'])));
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, [Symbol.asyncDispose]: () => app.close() };
}

/** Starts a provider that does not answer until the test calls `answer`. */
export async function startHeldProvider() {
  const requested = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<object>();
  const provider = await startProvider(() => {
    requested.resolve();
    return answer.promise;
  });
  return { ...provider, requested: requested.promise, answer: answer.resolve };
}

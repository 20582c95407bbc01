import type { Clock } from '@voucher-gateway/platform/async/clock';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { SessionGate } from './session-gate.ts';

export interface TokenGateOptions {
  /** Null if tokens are not verified: every client is anonymous, and its header is forwarded as it is. */
  verify: TokenVerifier | null;
  clock: Clock;
}

/** Authenticates by tokens alone, where there is no session store. A session ends when its token expires. */
export function createTokenGate({ verify, clock }: TokenGateOptions): SessionGate {
  const authenticate = async (authorization: string | null | undefined): Promise<Identity | null> =>
    verify === null || (authorization ?? '').trim() === '' ? null : verify(authorization ?? '');
  return {
    authenticate,
    async admit(authorization) {
      try {
        return { identity: await authenticate(authorization), refusal: null, authorization };
      } catch (error) {
        if (!isCodedError(error)) throw error;
        return { identity: null, refusal: error, authorization: null };
      }
    },
    touch: async () => {},
    onSessionEnd: ({ expiresAtMs }, callback) => {
      if (!Number.isFinite(expiresAtMs)) return { [Symbol.dispose]() {} };
      return setDeadline(clock, expiresAtMs, callback);
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** The longest delay of a timer. */
const maxDelayMs = 2_147_483_647;

/** Calls back at a time, which may be further away than a timer can be. */
function setDeadline(clock: Clock, atMs: number, callback: () => void): Disposable {
  let timer: Disposable;
  const arm = () => {
    const delayMs = Math.max(0, atMs - clock.now());
    timer = clock.setTimer(Math.min(delayMs, maxDelayMs), () => (clock.now() < atMs ? arm() : callback()));
  };
  arm();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

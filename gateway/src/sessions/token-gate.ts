import type { Clock } from '@voucher-gateway/platform/async/clock';
import { isCodedError } from '@voucher-gateway/platform/errors';
import type { Identity, TokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { SessionGate } from './session-gate.ts';

export interface TokenGateOptions {
  /**
   * Verifies a token. Null turns verification off: every client is anonymous, and its authorization header is forwarded
   * unchanged.
   */
  verify: TokenVerifier | null;
  clock: Clock;
}

/**
 * Creates a gate that checks only tokens, for a gateway without a session store. A session ends when its token expires.
 */
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

/** Longest delay of a timer in Node. */
const maxDelayMs = 2_147_483_647;

/** Calls back at the time `atMs`, which may be further away than the longest delay of a timer. */
function setDeadline(clock: Clock, atMs: number, callback: () => void): Disposable {
  let timer: Disposable;
  const arm = () => {
    const delayMs = Math.max(0, atMs - clock.now());
    timer = clock.setTimer(Math.min(delayMs, maxDelayMs), () => (clock.now() < atMs ? arm() : callback()));
  };
  arm();
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

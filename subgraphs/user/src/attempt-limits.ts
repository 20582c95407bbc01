import { isCodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { createRateLimiter, type RateLimit } from '@voucher-gateway/platform/key-value/rate-limiter';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { UserConfig } from './config.ts';
import { requireSessionStore } from './require-session-store.ts';

/** An attempt to sign in: the normalised username, and the client's address (`groupAddress`). */
export interface Attempt {
  usernameKey: string;
  address: string;
}

export interface AttemptLimits {
  /**
   * Counts a sign-up or a sign-in against the client's address.
   * @throws CodedError RATE_LIMITED (retryable) with `retryAfterSeconds`; SESSION_STORE_UNAVAILABLE (retryable)
   */
  countSignUp(address: string): Promise<void>;
  countSignIn(address: string): Promise<void>;
  /**
   * Compares a password by `compare`, and counts a wrong password against the username. Throws the errors of
   * `countSignUp` and of `compare`.
   */
  countFailure<Result>(attempt: Attempt, compare: () => Promise<Result>): Promise<Result>;
  /**
   * Remembers an address of the user. After that, failures from other addresses do not block sign-ins from the
   * remembered address.
   */
  rememberAddress(attempt: Attempt): Promise<void>;
}

/** An address is remembered for this time after the user's last sign-in from it. */
const rememberedForMs = 90 * 86_400_000;

/**
 * Creates the limits on guessing passwords and creating users. Wrong passwords count per username, over all addresses.
 * An address from which the user has signed in before has a separate count. So an attack from elsewhere does not lock
 * out the user.
 *
 * While the key-value store is unavailable, nobody can sign in or up: sessions need the store, and every attempt has to
 * be counted.
 */
export function createAttemptLimits({
  config,
  keyValue,
  log,
}: {
  config: UserConfig;
  keyValue: KeyValue;
  log: Log;
}): AttemptLimits {
  const create = (name: string, limit: RateLimit | null, message: string) =>
    createRateLimiter({ keyValue, name, limit: config.RATE_LIMITS === 'off' ? null : limit, message });
  const signUps = create('sign-ups-per-address', config.LIMIT_SIGN_UPS_PER_ADDRESS, 'Too many sign-ups from here');
  const signIns = create('sign-ins-per-address', config.LIMIT_SIGN_INS_PER_ADDRESS, 'Too many sign-ins from here');
  const failures = create('sign-ins-per-username', config.LIMIT_SIGN_INS_PER_USERNAME, 'Too many wrong passwords');

  return {
    countSignUp: (address) => requireSessionStore(() => signUps.count(address)),
    countSignIn: (address) => requireSessionStore(() => signIns.count(address)),
    async countFailure(attempt, compare) {
      const key = await requireSessionStore(async () => {
        const isKnown = (await keyValue.get(knownAddressKey(attempt))) !== null;
        const counted = isKnown ? `${attempt.usernameKey}@${attempt.address}` : attempt.usernameKey;
        // The attempt is counted before the comparison, so that concurrent attempts can not exceed the limit.
        await failures.count(counted);
        return counted;
      });
      const takeBack = () =>
        failures
          .takeBack(key)
          .catch((error: unknown) => log.warn({ error }, 'a sign-in attempt could not be removed from its rate limit'));
      try {
        const result = await compare();
        await takeBack();
        return result;
      } catch (error) {
        if (!isCodedError(error, 'INVALID_CREDENTIALS')) await takeBack();
        throw error;
      }
    },
    async rememberAddress(attempt) {
      await keyValue
        .set(knownAddressKey(attempt), '1', { ttlMs: rememberedForMs })
        .catch((error: unknown) => log.warn({ error }, 'an address could not be remembered'));
    },
  };
}

function knownAddressKey({ usernameKey, address }: Attempt): string {
  return `known-address:${usernameKey}@${address}`;
}

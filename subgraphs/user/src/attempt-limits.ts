import { isCodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/log';
import { createRateLimiter, type RateLimit } from '@voucher-gateway/platform/rate-limiter';
import type { UserConfig } from './config.ts';
import { requireSessionStore } from './require-session-store.ts';

/** Who tries: a username as it is compared, and where from (`groupAddress`). */
export interface Attempt {
  usernameKey: string;
  address: string;
}

export interface AttemptLimits {
  /**
   * Counts a sign-up, or an attempt to sign in, by its address.
   * @throws CodedError RATE_LIMITED (retryable) with `retryAfterSeconds`; SESSION_STORE_UNAVAILABLE (retryable)
   */
  countSignUp(address: string): Promise<void>;
  countSignIn(address: string): Promise<void>;
  /**
   * Runs the comparison of a password, which counts against the username when the password is wrong. Throws as
   * `countSignUp`, and what `compare` throws.
   */
  countFailure<Result>(attempt: Attempt, compare: () => Promise<Result>): Promise<Result>;
  /** Remembers that the user signs in from there: failures from elsewhere do not count against that address. */
  rememberAddress(attempt: Attempt): Promise<void>;
}

/** An address that a user has signed in from is remembered for this long after the last time. */
const rememberedForMs = 90 * 86_400_000;

/**
 * Limits on guessing passwords and on making users. Wrong passwords count per username, from all addresses together;
 * an address from which the user has signed in before has a count of its own. So whoever guesses from many addresses
 * shuts out strangers to that username, but never its owner at an address of theirs.
 *
 * While the store is away nobody signs in or up: no session could begin, and nobody may guess without a count.
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
        // Before the comparison, so that attempts at once can't all pass.
        await failures.count(counted);
        return counted;
      });
      const takeBack = () =>
        failures.takeBack(key).catch((error: unknown) => log.warn({ error }, 'an attempt could not be taken back'));
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

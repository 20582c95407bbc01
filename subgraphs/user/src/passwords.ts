import { hash, verify } from '@node-rs/argon2';
import { createSemaphore } from '@voucher-gateway/platform/async/semaphore';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** The value of `Algorithm.Argon2id`. That const enum can't be imported with `isolatedModules`. */
const argon2id = 2;
/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. */
const options = { algorithm: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface Passwords {
  /**
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) if the queue is full, or the signal aborts while the call waits
   *   in the queue
   */
  hash(password: string, signal: AbortSignal): Promise<string>;
  /**
   * Resolves with true if the password is right. For an unknown user (without a hash) it does the same work, and
   * resolves with false. Throws the errors of `hash`.
   */
  verify(passwordHash: string | null, password: string, signal: AbortSignal): Promise<boolean>;
}

export interface PasswordsOptions {
  /**
   * Limit of concurrent hashes. Default: 2 of libuv's four threads, because the verification of tokens also needs
   * threads. While 4 hashes are being computed, a verification takes 27 ms. While 2 hashes are being computed, a
   * verification takes 0.3 ms.
   */
  concurrency?: number;
  /** Length of the queue. Default: 100, which two threads hash in about 3 s. */
  maxWaiting?: number;
}

/**
 * Creates functions that hash and verify passwords by argon2id, with a bounded queue. Each hash takes 19 MiB, and at
 * least 30 ms of a CPU core.
 */
export async function createPasswords({
  concurrency = 2,
  maxWaiting = 100,
}: PasswordsOptions = {}): Promise<Passwords> {
  const semaphore = createSemaphore(concurrency);
  let waiting = 0;
  const waitForTurn = async (signal: AbortSignal) => {
    if (waiting >= maxWaiting) throw tooBusy('Too many people are signing in at the moment; try again.');
    waiting += 1;
    try {
      await semaphore.acquire(signal);
    } catch (cause) {
      throw tooBusy('The request ended before its turn.', cause);
    } finally {
      waiting -= 1;
    }
  };
  const runInTurn = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    if (signal.aborted) throw tooBusy('The request ended before its turn.', signal.reason);
    if (!semaphore.tryAcquire(1)) await waitForTurn(signal);
    try {
      return await work();
    } finally {
      semaphore.release();
    }
  };
  // For an unknown user the password is compared with this hash, so that the response time does not reveal whether a
  // user exists.
  const dummyHash = await hash('no user has this password', options);
  return {
    hash: (password, signal) => runInTurn(() => hash(password, options), signal),
    async verify(passwordHash, password, signal) {
      const matches = await runInTurn(() => verify(passwordHash ?? dummyHash, password), signal);
      return matches && passwordHash !== null;
    },
  };
}

function tooBusy(message: string, cause?: unknown): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', message, { cause, retryable: true });
}

import { hash, verify } from '@node-rs/argon2';
import { CodedError } from '@voucher-gateway/platform/errors';
import { createSlots } from '@voucher-gateway/platform/slots';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** `Algorithm.Argon2id`: a const enum, which isolated modules can't read. */
const argon2id = 2;
/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. */
const options = { algorithm: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface Passwords {
  /**
   * @throws CodedError SERVICE_UNAVAILABLE (retryable) when too many wait, and when the signal aborts before its turn
   */
  hash(password: string, signal: AbortSignal): Promise<string>;
  /** False for a wrong password, and, after the same work, where there is no hash. Throws as `hash`. */
  verify(passwordHash: string | null, password: string, signal: AbortSignal): Promise<boolean>;
}

export interface PasswordsOptions {
  /**
   * Hashes at once. Default: 2 of libuv's four threads, so that the verification of tokens, which needs one, too, does
   * not wait: with 4 it takes 27 ms, with 2 it takes 0.3 ms.
   */
  concurrency?: number;
  /** Requests that may wait for their turn. Default: 100, which two threads do in about 3 s. */
  maxWaiting?: number;
}

/** argon2id with a bounded queue: each hash takes 19 MiB and 30 ms or more of a core. */
export async function createPasswords({
  concurrency = 2,
  maxWaiting = 100,
}: PasswordsOptions = {}): Promise<Passwords> {
  const slots = createSlots(concurrency);
  let waiting = 0;
  const waitForTurn = async (signal: AbortSignal) => {
    if (waiting >= maxWaiting) throw tooBusy('Too many people are signing in at the moment; try again.');
    waiting += 1;
    try {
      await slots.take(signal);
    } catch (cause) {
      throw tooBusy('The request ended before its turn.', cause);
    } finally {
      waiting -= 1;
    }
  };
  const inTurn = async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    if (signal.aborted) throw tooBusy('The request ended before its turn.', signal.reason);
    if (!slots.tryTake(1)) await waitForTurn(signal);
    try {
      return await work();
    } finally {
      slots.release();
    }
  };
  const nobody = await hash('the hash of nobody, so that an unknown user takes as long as a wrong password', options);
  return {
    hash: (password, signal) => inTurn(() => hash(password, options), signal),
    async verify(passwordHash, password, signal) {
      const matches = await inTurn(() => verify(passwordHash ?? nobody, password), signal);
      return matches && passwordHash !== null;
    },
  };
}

function tooBusy(message: string, cause?: unknown): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', message, { cause, retryable: true });
}

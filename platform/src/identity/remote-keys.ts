import { setTimeout as sleep } from 'node:timers/promises';
import { errors, importJWK } from 'jose';
import { z } from 'zod';
import { CodedError, errorCode } from '../errors.ts';
import { readBoundedText } from '../http/bounded-text.ts';
import type { Log } from '../process/log.ts';
import { followTopic } from '../topics/follow.ts';
import type { Topic, Topics } from '../topics.ts';
import type { FindKey } from './token-verifier.ts';

export interface RemoteKeysOptions {
  /** URL of the JSON Web Key Set. */
  url: string;
  log: Log;
  /** Interval between fetches. Default: 60 s. */
  refreshEveryMs?: number;
  /** Delay of the next fetch after a failed fetch. Default: 2 s. */
  retryAfterMs?: number;
  /** Minimum time between the starts of two fetches. Default: 1 s. */
  cooldownMs?: number;
  /** Time-out of a fetch. Default: 5 s. */
  timeoutMs?: number;
}

/** The public keys that verify tokens, fetched from the issuer of the tokens. */
export interface RemoteKeys extends Disposable {
  /**
   * Finds the key for a token's `kid`, for jose.
   * @throws JWKSNoMatchingKey for a token without a kid, or if the issuer has no such key; CodedError
   *   SERVICE_UNAVAILABLE (retryable) for an unknown key while the issuer does not answer
   */
  readonly find: FindKey;
  /** Removes a key immediately and permanently, even if the issuer still publishes it. */
  revoke(kid: string): void;
  isRevoked(kid: string): boolean;
  /** Fetches the keys again soon. */
  refresh(): void;
}

const maxBytes = 262_144;
/**
 * Limit of remembered revocations. The oldest may be forgotten, because the issuer no longer publishes revoked keys.
 */
const maxRevoked = 1_000;

const keySetSchema = z.object({ keys: z.array(z.unknown()).max(100) });
const keySchema = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  kid: z.string().min(1).max(256),
  use: z.literal('sig').optional(),
});

/**
 * Fetches the keys of a JWKS URL once per minute in the background, and immediately for an unknown `kid` (at most once
 * per second). While the issuer is down, the last valid keys stay in use.
 *
 * jose's createRemoteJWKSet is not used, because it rejects every token after a failed reload, although it still has
 * the keys.
 */
export function createRemoteKeys({
  url,
  log,
  refreshEveryMs = 60_000,
  retryAfterMs = 2_000,
  cooldownMs = 1_000,
  timeoutMs = 5_000,
}: RemoteKeysOptions): RemoteKeys {
  const stop = new AbortController();
  const revoked = new Set<string>();
  let keys = new Map<string, CryptoKey>();
  /** The error of the last fetch; null if it succeeded. */
  let failure: unknown = null;
  let timer: NodeJS.Timeout | undefined;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> = Promise.resolve();
  let queued: Promise<void> | null = null;

  /** Never rejects. */
  const load = async () => {
    startedAtMs = performance.now();
    try {
      const fetched = await fetchKeys(url, AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutMs)]));
      keys = new Map([...fetched].filter(([kid]) => !revoked.has(kid)));
      if (failure) log.info({ keys: keys.size }, 'the signing keys were fetched again');
      failure = null;
    } catch (error) {
      if (!failure && !stop.signal.aborted)
        log.warn({ error, cause: errorCode(error), keys: keys.size }, 'the signing keys could not be fetched');
      failure = error;
    }
    clearTimeout(timer);
    if (!stop.signal.aborted) timer = setTimeout(requestLoad, failure ? retryAfterMs : refreshEveryMs).unref();
  };
  /** Requests a fetch that begins after this call. Resolves when that fetch has ended. Never rejects. */
  const requestLoad = () => {
    queued ??= (async () => {
      await running;
      const waitMs = startedAtMs + cooldownMs - performance.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: stop.signal, ref: false }).catch(() => {});
      queued = null;
      running = load();
      await running;
    })();
    return queued;
  };
  running = load();

  return {
    async find({ kid }) {
      if (!kid || revoked.has(kid)) throw new errors.JWKSNoMatchingKey();
      // Search the known keys first, then the keys of a running fetch, then the keys of a new fetch.
      for (const fetching of [() => null, () => running, requestLoad]) {
        await fetching();
        const key = keys.get(kid);
        if (key) return key;
      }
      if (!failure) throw new errors.JWKSNoMatchingKey();
      throw new CodedError('SERVICE_UNAVAILABLE', 'The signing keys can not be fetched at the moment.', {
        cause: failure,
        retryable: true,
      });
    },
    revoke(kid) {
      revoked.add(kid);
      const [oldest] = revoked;
      if (revoked.size > maxRevoked && oldest !== undefined) revoked.delete(oldest);
      keys.delete(kid);
    },
    isRevoked: (kid) => revoked.has(kid),
    refresh: () => void requestLoad(),
    [Symbol.dispose]() {
      stop.abort();
      clearTimeout(timer);
    },
  };
}

/** Reads a topic, and revokes each key whose `kid` is in a message. Disposing stops the reading. */
export async function revokeKeysFrom<Value extends object>(
  { topics, topic, log }: { topics: Topics; topic: Topic<Value>; log: Log },
  keys: RemoteKeys,
): Promise<AsyncDisposable> {
  return await followTopic(topics, {
    topic,
    log,
    onMessage({ value }) {
      if (!('kid' in value) || typeof value.kid !== 'string') return;
      keys.revoke(value.kid);
      log.info({ kid: value.kid }, 'a signing key was revoked');
    },
    // A key may have been revoked after the last fetch, but before the tail started. The keys are therefore fetched
    // again.
    onStart: keys.refresh,
  });
}

async function fetchKeys(url: string, signal: AbortSignal): Promise<Map<string, CryptoKey>> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json' } });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the URL of the keys answered ${response.status}`);
  }
  const { keys } = keySetSchema.parse(JSON.parse(await readText(response)));
  const imported = new Map<string, CryptoKey>();
  for (const jwk of keys) {
    // Invalid keys are skipped, and so are keys of other types, which may have other uses (RFC 7517 section 5).
    const parsed = keySchema.safeParse(jwk);
    const key = parsed.success && (await importJWK(parsed.data, 'EdDSA').catch(() => null));
    if (key) imported.set(parsed.data.kid, key as CryptoKey);
  }
  if (imported.size === 0) throw new Error('the URL of the keys has no Ed25519 key');
  return imported;
}

async function readText({ body }: Response): Promise<string> {
  const text = body ? await readBoundedText(body, maxBytes) : '';
  if (text === null) throw new Error(`the URL of the keys answered more than ${maxBytes} bytes`);
  return text;
}

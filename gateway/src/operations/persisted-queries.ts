import { createHash } from 'node:crypto';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { z } from 'zod';
import { SegmentedCache } from './segmented-cache.ts';

/** The texts that clients have sent with a hash. Later requests may send only the hash. */
export interface PersistedQueries {
  get(sha256Hash: string): string | undefined;
  /** Stores a text that has passed validation. */
  add(sha256Hash: string, text: string): void;
}

const maxBytes = 16_777_216;

/**
 * Creates the store of automatic persisted queries, in memory. It has 16 MiB: 4 MiB for texts that were used only once,
 * and 12 MiB for texts that were used again.
 */
export function createPersistedQueries(): PersistedQueries {
  const texts = new SegmentedCache<{ text: string }>(maxBytes);
  return {
    get: (sha256Hash) => texts.get(sha256Hash)?.text,
    add(sha256Hash, text) {
      if (!texts.get(sha256Hash)) texts.set(sha256Hash, { text }, 200 + 2 * text.length);
    },
  };
}

const extension = z.object({ version: z.literal(1), sha256Hash: z.string().regex(/^[0-9a-f]{64}$/) });

/**
 * Reads the hash of a request's `extensions.persistedQuery`; null without that extension.
 *
 * @throws CodedError PERSISTED_QUERY_NOT_SUPPORTED for another version; BAD_REQUEST for an invalid extension
 * @see https://www.apollographql.com/docs/apollo-server/performance/apq
 */
export function persistedQueryHash(extensions: unknown): string | null {
  const persistedQuery = (extensions as { persistedQuery?: unknown } | null | undefined)?.persistedQuery ?? null;
  if (persistedQuery === null) return null;
  const parsed = extension.safeParse(persistedQuery);
  if (parsed.success) return parsed.data.sha256Hash;
  if ((persistedQuery as { version?: unknown }).version !== 1)
    throw new CodedError<PublicErrorCode>(
      'PERSISTED_QUERY_NOT_SUPPORTED',
      'Only version 1 of persisted queries is served.',
    );
  throw new CodedError<PublicErrorCode>(
    'BAD_REQUEST',
    'extensions.persistedQuery needs a sha256Hash of 64 hex digits.',
  );
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

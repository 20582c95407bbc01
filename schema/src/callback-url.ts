import { z } from 'zod';

/**
 * Where a request's outcome goes, in the key-value store: written by voucher right after the request is
 * committed (best effort), read by delivery, whose own row is the durable home.
 */
export const callbackUrlSchema = z.object({ callbackUrl: z.url().nullable() });

export function callbackUrlKey(requestId: string): string {
  return `callback-url:${requestId}`;
}

/** Kept this long, in milliseconds: past any give-up time in use. */
export const callbackUrlTtlMs = 86_400_000;

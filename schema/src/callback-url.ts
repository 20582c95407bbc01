import { z } from 'zod';

/**
 * The callbackUrl of a request in the key-value store. The voucher service writes the entry after the request is
 * committed (best effort), and the delivery service reads it. The durable copy is in delivery's own table.
 */
export const callbackUrlSchema = z.object({ callbackUrl: z.url().nullable() });

export function callbackUrlKey(requestId: string): string {
  return `callback-url:${requestId}`;
}

/** Time to live: longer than any time after which a request is given up. */
export const callbackUrlTtlMs = 86_400_000;

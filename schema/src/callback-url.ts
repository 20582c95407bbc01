import { z } from 'zod';

/**
 * The callbackUrl of a request in the key-value store. The voucher service writes the entry after the request is
 * committed (best effort), and the delivery service reads it. The durable copy is in delivery's own table.
 */
export const callbackUrlSchema = z.object({ callbackUrl: z.url().nullable() });

export function callbackUrlKey(requestId: string): string {
  return `callback-url:${requestId}`;
}

/** Time to live: 24 h, longer than the default of GIVE_UP_AFTER. Later, delivery reads the URL from its own table. */
export const callbackUrlTtlMs = 86_400_000;

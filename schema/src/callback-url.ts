import { z } from 'zod';

/**
 * The callbackUrl of a request in the key-value store. The voucher service writes this entry after it has committed the
 * request, and ignores a failed write. The delivery service reads the entry. The durable copy is in a table of the
 * delivery service.
 */
export const callbackUrlSchema = z.object({ callbackUrl: z.url().nullable() });

export function callbackUrlKey(requestId: string): string {
  return `callback-url:${requestId}`;
}

/**
 * Time to live of an entry: 24 h. By default, a request without a code fails much sooner (GIVE_UP_AFTER). If an entry
 * has expired, delivery reads the URL from its own table.
 */
export const callbackUrlTtlMs = 86_400_000;

import { createHash } from 'node:crypto';

/** The target of a delivery: a user and the origin of the callback URL, or the SMS provider. */
export interface Endpoint {
  /** A UUID that is derived from user and origin, so that processes agree on it without a look-up. */
  id: string;
  /** The user, who owns the endpoint; null for the SMS provider. */
  userId: string | null;
  /** The origin of the URL, such as `https://shop.example.org`; null for the SMS provider. */
  origin: string | null;
}

/** The endpoint id of the SMS provider. All SMS have this endpoint. */
export const smsEndpointId = '00000000-0000-0000-0000-000000000000';

const smsEndpoint: Endpoint = { id: smsEndpointId, userId: null, origin: null };

/** Returns the endpoint of a delivery. `url` is null for an SMS. */
export function endpointOf({ userId, url }: { userId: string; url: string | null }): Endpoint {
  if (url === null) return smsEndpoint;
  const origin = originOf(url);
  return { id: endpointId(userId, origin), userId, origin };
}

/**
 * Returns the origin of a URL: scheme, host and port. A text that is no URL is returned unchanged. A callback to such a
 * text fails with URL_INVALID.
 */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/** @see RFC 9562, section 5.8: a UUID with custom content (version 8) */
export function endpointId(userId: string, origin: string): string {
  const bytes = createHash('sha256').update(`${userId} ${origin}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

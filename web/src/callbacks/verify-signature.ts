import { formatLongDuration } from '../ui/duration.ts';
import type { ReceivedRequest } from './receiver.ts';

/** A step of a receiver's verification, by Standard Webhooks. */
export interface Check {
  title: string;
  detail: string;
  /**
   * Whether the step succeeded. Null if a receiver may accept or ignore the request, for example if it is a duplicate.
   */
  passed: boolean | null;
}

/** Largest accepted difference between the timestamp of a request and the receiver's clock. */
const toleranceMs = 5 * 60_000;

/**
 * Verifies a request as a receiver should, and returns each step.
 *
 * @param secret `whsec_`, then base64
 * @param previousSecret the secret before the last rotation, if it is known
 * @param isDuplicate whether a request with the same id came before
 */
export async function verifySteps(
  { headers, body, at }: Omit<ReceivedRequest, 'id'>,
  { secret, previousSecret }: { secret: string; previousSecret: string | null },
  isDuplicate: boolean,
): Promise<Check[]> {
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers[name] ?? '',
  ) as [string, string, string];
  const hasHeaders = id !== '' && timestamp !== '' && signature !== '';
  const differenceMs = Math.abs(Date.parse(at) - Number(timestamp) * 1_000);
  const isRecent = differenceMs <= toleranceMs;
  const signatureBy = async (key: string) => `v1,${await sign(`${id}.${timestamp}.${body}`, key)}`;
  const expected = await signatureBy(secret);
  const signatures = signature.split(' ');
  const matches = signatures.includes(expected);
  const matchesPrevious = !matches && previousSecret !== null && signatures.includes(await signatureBy(previousSecret));
  return [
    {
      title: hasHeaders ? 'The three headers are there' : 'A header is missing',
      detail: 'webhook-id, webhook-timestamp and webhook-signature.',
      passed: hasHeaders,
    },
    {
      title: isRecent ? 'The timestamp is recent' : 'The timestamp is not recent',
      detail: `${differenceOf(differenceMs)} More than 5 min is rejected, as it may be a replay.`,
      passed: isRecent,
    },
    matchesPrevious
      ? {
          title: previousSecretTitle,
          detail: 'It was sent before you made the new secret. A server that still has the previous one accepts it.',
          passed: null,
        }
      : {
          title: matches ? 'A signature matches' : 'Signature does not match this secret',
          detail: `HMAC-SHA256 of “id.timestamp.body” with your secret is ${expected}`,
          passed: matches,
        },
    {
      title: isDuplicate ? 'Duplicate: the id was seen before' : 'The id is new',
      detail: `${id || 'None'}. Each attempt has the same id: a receiver answers a duplicate with 2xx, and drops it.`,
      passed: isDuplicate ? null : true,
    },
  ];
}

export const previousSecretTitle = 'Signed with your previous secret';

function differenceOf(ms: number): string {
  return Number.isNaN(ms) ? 'It is no number.' : `It differs by ${formatLongDuration(ms)}.`;
}

async function sign(text: string, secret: string): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}

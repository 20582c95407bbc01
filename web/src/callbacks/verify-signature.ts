import type { ReceivedRequest } from './receiver.ts';

/** A step of a receiver's verification, by Standard Webhooks. */
export interface Check {
  title: string;
  detail: string;
  passed: boolean;
}

/** A receiver rejects a request whose timestamp differs from its clock by more. */
const toleranceMs = 5 * 60_000;

/**
 * Verifies a request as a receiver should, and returns each step.
 *
 * @param secret `whsec_`, then base64
 * @param isDuplicate whether a request with the same id came before
 */
export async function verifySteps(
  { headers, body, at }: ReceivedRequest,
  secret: string,
  isDuplicate: boolean,
): Promise<Check[]> {
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers[name] ?? '',
  ) as [string, string, string];
  const hasHeaders = id !== '' && timestamp !== '' && signature !== '';
  const differenceMs = Math.abs(Date.parse(at) - Number(timestamp) * 1_000);
  const expected = `v1,${await sign(`${id}.${timestamp}.${body}`, secret)}`;
  const matches = signature.split(' ').includes(expected);
  return [
    {
      title: 'The three headers are there',
      detail: 'webhook-id, webhook-timestamp and webhook-signature.',
      passed: hasHeaders,
    },
    {
      title: 'The timestamp is recent',
      detail: `It differs by ${Math.round(differenceMs / 1_000)} s; more than 300 s is rejected, as it may be a replay.`,
      passed: differenceMs <= toleranceMs,
    },
    {
      title: 'A signature matches',
      detail: `HMAC-SHA256 of “id.timestamp.body” with your secret is ${expected}`,
      passed: matches,
    },
    {
      title: isDuplicate ? 'The id was seen before: answer 2xx, and do nothing' : 'The id is new',
      detail: `${id}. Each attempt has the same id, so that a receiver can drop duplicates.`,
      passed: true,
    },
  ];
}

async function sign(text: string, secret: string): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, '')), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signature = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(signature)));
}

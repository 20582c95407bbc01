// Verifies `v1a` signatures of callbacks with the public keys of the service, so that a receiver needs no secret.
import { createPublicKey, verify } from 'node:crypto';

const toleranceSeconds = 300;
const refreshEveryMs = 3_600_000;

/**
 * Reads the keys of a JWKS, and keeps them current. Take the URL of the JWKS from the receiver's configuration, never
 * from a callback. The keys are read again every hour, because a new key is published an hour before its first use.
 */
export async function openPublicKeys(jwksUrl) {
  let keys = await readKeys(jwksUrl);
  const refresh = async () => {
    keys = await readKeys(jwksUrl);
  };
  // After a failed refresh the last keys stay in use, and the next refresh retries.
  setInterval(() => refresh().catch(() => {}), refreshEveryMs).unref();
  return {
    /**
     * Returns the event of a callback. Throws if none of the keys has signed the callback, or if the callback is old.
     * Callbacks to other users are signed with the same keys, so check that the event is yours.
     */
    verify(body, headers) {
      const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': list = '' } = headers;
      if (!(Math.abs(Date.now() / 1_000 - Number(timestamp)) <= toleranceSeconds))
        throw new Error('it is too old or new');
      const content = Buffer.from(`${id}.${timestamp}.${body}`);
      const signatures = list
        .split(' ')
        .filter((each) => each.startsWith('v1a,'))
        .map((each) => Buffer.from(each.slice('v1a,'.length), 'base64'));
      if (!keys.some((key) => signatures.some((signature) => verify(null, content, key, signature))))
        throw new Error('none of the keys has signed it');
      return JSON.parse(body);
    },
  };
}

async function readKeys(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  const { keys } = await response.json();
  return keys.map((key) => createPublicKey({ key, format: 'jwk' }));
}

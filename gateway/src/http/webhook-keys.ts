import { CodedError } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

const path = '/.well-known/webhooks-jwks.json';
const keptMs = 60_000;
const retryAfterMs = 1_000;
const timeoutMs = 5_000;
const maxBytes = 262_144;
const keySetSchema = z.object({
  keys: z.array(z.looseObject({ kty: z.string() }).refine((key) => !('d' in key), 'is a private key')),
});

/**
 * Serves the public keys of another service, with which receivers verify callbacks: only the gateway can be reached from
 * outside. They are fetched at most once per minute. While the service is down, the last ones are served.
 */
export function addWebhookKeys(app: FastifyInstance, { url, log }: { url: string; log: Log }): void {
  const lines = createRepeatedLines(log);
  let keySet: string | null = null;
  let freshUntil = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | null = null;

  /** Never rejects. */
  const load = async () => {
    try {
      keySet = await fetchKeySet(url);
      freshUntil = performance.now() + keptMs;
    } catch (error) {
      lines.warn('fetch', { error }, 'the public keys of callbacks could not be fetched');
      freshUntil = performance.now() + retryAfterMs;
    }
    fetching = null;
  };

  app.get(path, async (_request, reply) => {
    if (performance.now() >= freshUntil) {
      fetching ??= load();
      await fetching;
    }
    if (keySet === null)
      throw new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'The keys can not be fetched at the moment.', {
        retryable: true,
      });
    return reply.headers({ 'content-type': 'application/json', 'cache-control': 'public, max-age=60' }).send(keySet);
  });
}

async function fetchKeySet(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
  const text = response.body ? await readBoundedText(response.body, maxBytes) : '';
  if (!response.ok) throw new Error(`the URL of the keys answered ${response.status}`);
  if (text === null) throw new Error(`the URL of the keys answered more than ${maxBytes} bytes`);
  return JSON.stringify(keySetSchema.parse(JSON.parse(text)));
}

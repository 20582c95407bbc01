import { randomUUID } from 'node:crypto';
import { receiveCodeSchema, requestFailedSchema } from '@voucher-gateway/schema/topics';
import { describe, expect, it } from 'vitest';
import { maxBodyBytes, serializeBody } from './channels/callback/body.ts';
import { type Outcome, planDeliveries } from './plan-deliveries.ts';
import { buildCode, buildFailure, buildRequest } from './testing/delivery-harness.ts';

describe('callback body', () => {
  // JSON needs six bytes for this character.
  const worst = '\u0001';
  const request = buildRequest();
  it.each<Outcome>([
    {
      type: 'voucher.received',
      value: receiveCodeSchema.parse(buildCode(request, { code: worst.repeat(256) })),
    },
    {
      type: 'voucher.failed',
      value: requestFailedSchema.parse({ ...buildFailure(request), message: worst.repeat(1_000) }),
    },
  ])('callback body: is under 20 kB for the largest message of $type', (outcome) => {
    const [planned] = planDeliveries(outcome, 'https://example.com/');
    expect(Buffer.byteLength(planned?.body ?? '')).toBeLessThan(maxBodyBytes);
  });

  it('callback body: is refused above 20 kB', () => {
    const data = { message: 'é'.repeat(maxBodyBytes / 2) };
    expect(() => serializeBody({ type: 'callback.test', timestamp: randomUUID(), data })).toThrow(
      expect.objectContaining({ code: 'TOPIC_VALUE_INVALID', retryable: false }),
    );
  });
});

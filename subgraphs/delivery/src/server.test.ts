import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { openReceiver } from './testing/receiver.ts';
import { openRig } from './testing/rig.ts';

it('sends a code to the callbackUrl, signed by Standard Webhooks', async () => {
  await using receiver = await openReceiver();
  await using rig = await openRig();
  const request = await rig.request({ callbackUrl: receiver.url });
  const code = await rig.receive(request);
  const { headers, body } = await receiver.next();
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'voucher-gateway' });
  const verified = new Webhook(await rig.secret(request.userId)).verify(body, headers as Record<string, string>);
  expect(verified).toEqual({
    type: 'voucher.received',
    timestamp: code.receivedAt,
    data: {
      requestId: request.requestId,
      voucherId: code.id,
      code: code.code,
      status: 'SUCCESS',
      phoneNumber: request.phoneNumber,
      requestedAt: request.requestedAt,
      receivedAt: code.receivedAt,
    },
  });
  await expect
    .poll(() => rig.deliveries(request))
    .toEqual([
      {
        id: headers['webhook-id'],
        channel: 'CALLBACK',
        status: 'DELIVERED',
        url: receiver.url,
        nextAttemptAt: null,
        attempts: [{ at: expect.any(String), status: 204, durationMs: expect.any(Number), error: null }],
      },
    ]);
});

import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { delivery } from './tables.ts';
import { buildRequest, openDeliveryHarness } from './testing/delivery-harness.ts';

// Two processes share a database. At each step of the runbook (docs/runbooks.md), one process has the new setting while
// the other still has the old one.
describe('rotation of SECRETS_KEY', () => {
  it.each([
    ['the new key at the end', [1], [1, 9]],
    ['the new key first', [1, 9], [9, 1]],
    ['the old key removed', [9, 1], [9]],
  ] as const)('rotation: %s at one of two processes, and both sign rightly', async (_step, before, after) => {
    await using harness = await openDeliveryHarness({ started: false });
    await using receiver = await startReceiver();
    const start = async (keys: readonly number[]) => {
      harness.engines.secrets = createTestSecrets(...keys);
      await harness.start();
      return harness.url;
    };
    const sent: string[] = [];
    const users = new Set<string>();
    const send = async (userId: string) => {
      users.add(userId);
      const request = await harness.request({ callbackUrl: receiver.url, userId });
      await harness.receive(request);
      sent.push(request.requestId);
    };
    const some = () => Array.from({ length: 10 }, () => buildRequest().userId);
    const known = some();
    const urls = [await start(before)];
    for (const userId of known) await send(userId);
    urls.push(await start(after));
    for (const userId of [...known, ...some()]) await send(userId);
    await expect.poll(() => receiver.calls.length).toBe(sent.length);

    const secrets = new Map<string, string>();
    for (const userId of users) secrets.set(userId, await harness.secret(userId));
    const owners = await harness.engines.database.query.select().from(delivery);
    for (const { headers, body } of receiver.calls) {
      const owner = owners.find(({ id }) => id === headers['webhook-id'])?.userId ?? '';
      new Webhook(secrets.get(owner) ?? '').verify(body, headers as Record<string, string>);
    }
    // Both processes publish the same public keys, so that receivers can verify the signatures of both.
    const [first, second] = await Promise.all(
      urls.map(async (url) => (await fetch(`${url}/.well-known/webhooks-jwks.json`)).json()),
    );
    expect(first).toEqual(second);
    expect(owners.map(({ requestId }) => requestId).toSorted()).toEqual(sent.toSorted());
    expect(harness.log.text).not.toMatch(/SECRETS_KEY_WRONG|SECRET_ALTERED/);
  });
});

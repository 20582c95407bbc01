import { randomUUID } from 'node:crypto';
import { createRealDatabase } from '@voucher-gateway/platform/testing/real-engines';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import pg from 'pg';
import { expect, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { startDistributed } from './system.ts';

const requestVoucher = 'mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id } }';

it('unknown outcome: a retry with the same idempotencyKey resolves a lost COMMIT', { timeout: 300_000 }, async () => {
  await using database = await createRealDatabase();
  await using network = await startTcpProxy(database.url);
  await using system = await startDistributed({ DATABASE_URL: network.url, VPS_PROFILE: 'fast' });
  for (const when of ['before', 'after'] as const) {
    await using customer = await startCustomer(system);
    const input = { callbackUrl: customer.receiver.url, idempotencyKey: randomUUID() };
    const ask = () => customer.answerOf(requestVoucher, { input });

    const stopCutting = network.cutAt(/\bcommit\0/, when);
    const { data, errors } = await ask();
    stopCutting();
    expect([data, errors?.[0]?.extensions]).toEqual([
      null,
      expect.objectContaining({ code: 'SERVICE_UNAVAILABLE', retryable: true, outcome: 'unknown' }),
    ]);

    const answers = [await ask(), await ask()].map((answer) => answer.data?.requestVoucher.id);
    expect(answers).toEqual([expect.any(String), answers[0]]);
    expect((await customer.nextCallback()).data.requestId).toBe(answers[0]);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query('select id from voucher.voucher_request where phone_number = $1', [
      customer.phoneNumber,
    ]);
    await client.end();
    expect(rows).toEqual([{ id: answers[0] }]);
  }
});

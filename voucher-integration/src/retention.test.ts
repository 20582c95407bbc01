import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';

it('retention: deletes old ended requests, but no WAITING one or unclaimed code', async () => {
  await using ctx = await startTestIntegration({ frozen: true, settings: { PROVIDER_REQUEST_RETENTION: '60d' } });
  const { query } = ctx.engines.database;
  const add = (name: string, { status, days, unclaimed }: { status: string; days: number; unclaimed?: string }) =>
    query.execute(sql`
      insert into integration.provider_request (
        request_id, user_id, phone_number, requested_at, status, challenges, held, attempts, last_error, unclaimed_code
      ) values (
        gen_random_uuid(), gen_random_uuid(), '+84909123456', ${new Date(ctx.clock.now() - days * 86_400_000).toISOString()},
        ${status}, '[]', '[]', 1, ${name}, ${unclaimed ?? null}
      )`);
  await add('settled long ago', { status: 'SETTLED', days: 61 });
  await add('failed long ago', { status: 'FAILED', days: 61 });
  await add('unclaimed', { status: 'FAILED', days: 400, unclaimed: 'CODE-1' });
  await add('waits', { status: 'WAITING', days: 400 });
  await add('settled', { status: 'SETTLED', days: 59 });
  ctx.clock.advance(600_000);
  const names = async () =>
    (await query.execute(sql`select last_error from integration.provider_request order by 1`)).rows.map(
      (row) => row.last_error,
    );
  await expect.poll(names).toEqual(['settled', 'unclaimed', 'waits']);
});

import { join } from 'node:path';
import { runResume } from '@voucher-gateway/e2e/resume-run';
import { createDistributedStack } from '@voucher-gateway/standalone/distributed';
import { startTemporaryEngines } from './processes/temporary-engines.ts';
import type { Report } from './report.ts';

const events = Number(process.env.BENCH_EVENTS ?? 10_000);
const reconnects = Number(process.env.BENCH_RECONNECTS ?? 1_000);

/**
 * Checks that a client that reconnects gets all events, once and in order. The benchmark runs three gateways, and one
 * process of each other service, on PostgreSQL, Redis and Kafka. Each time 5 % of the events have arrived, it kills the
 * next gateway.
 */
export async function resume(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await startTemporaryEngines());
  const system = releases.use(
    await createDistributedStack({
      environment: {
        ...engines.environment,
        VPS_PROFILE: 'fast',
        RATE_LIMITS: 'off',
        VPS_STATE_FILE: join(engines.folder, 'vps-mock.json'),
        KAFKA_PARTITIONS: '3',
        NODE_ENV: 'production',
        SMS: 'off',
        LOG_LEVEL: 'error',
      },
      logFile: join(engines.folder, 'services.log'),
    }),
  );
  const { refusals, ...ledger } = await runResume(system, { events, reconnects, killEvery: events / 20 });
  const results = Object.entries({ ...ledger, refusals: refusals.length }).map(([metric, value]) => ({
    name: `${events} vouchers`,
    metric,
    unit: metric === 'seconds' ? 's' : '',
    value,
  }));
  const bounds = (['missing', 'repeated', 'outOfOrder'] as const).map((name) => ({
    name,
    limit: 0,
    value: ledger[name],
    ok: ledger[name] === 0 && ledger.stored === events,
  }));
  return { results, bounds };
}

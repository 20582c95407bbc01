import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { runSoak } from '../soak/run-soak.ts';
import { showOnFailure } from './service-logs.ts';
import { servicePorts } from './service-ports.ts';

// This is a short soak. `npm run soak` runs a long one; see docs/reliability.md.
it('soak: a minute under load and faults breaks no promise', { timeout: 900_000 }, async () => {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-soak-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const logFile = join(folder, 'services.log');
  releases.use(showOnFailure(logFile));
  const { checks, schedule, accepted } = await runSoak({
    durationMs: 60_000,
    seed: 'suite',
    requestsPerSecond: 15,
    everyMs: 10_000,
    faults: ['begin-cut', 'kafka-killed', 'service-killed', 'redis-flushed', 'provider-outage'],
    folder,
    logFile,
    installation: inject('installation'),
    ports: await servicePorts(),
  });
  expect(schedule).toHaveLength(5);
  expect(accepted).toBeGreaterThan(500);
  expect(checks.filter(({ broken }) => broken.length > 0)).toEqual([]);
});

import { existsSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { expect, inject, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { productionEnvironment } from '../production-environment.ts';
import { createSetup, startStandalone } from '../standalone-process.ts';
import { startDistributed } from './system.ts';

// Regression: a package that the gateway imports was a devDependency, so that no production install started.

it('production install: has no development-only package', { timeout: 300_000 }, async () => {
  const { packages } = JSON.parse(await readFile(join(inject('installation'), 'package-lock.json'), 'utf8'));
  const onlyForDevelopment = Object.keys(packages).filter((path) => packages[path].dev);
  expect(onlyForDevelopment).toContain('node_modules/vitest');
  for (const path of onlyForDevelopment)
    expect(existsSync(join(inject('installation'), path, 'package.json')), path).toBe(false);
});

it('production install: runs every service, and the playground if enabled', {
  timeout: 300_000,
}, async () => {
  await using system = await startDistributed({ PLAYGROUND: 'true' });
  for (const name of serviceNames)
    expect(await readlink(`/proc/${system.pidOf(name)}/cwd`), name).toBe(inject('installation'));
  const playground = await fetch(system.gatewayUrl, { headers: { accept: 'text/html' } });
  expect(playground.status).toBe(200);
  expect(await playground.text()).toContain('/playground/');
});

it('production install: npm start accepts a request and delivers its code', { timeout: 300_000 }, async () => {
  await using setup = await createSetup();
  await using standalone = await startStandalone(
    { ...setup.environment, ...productionEnvironment, VPS_PROFILE: 'fast' },
    inject('installation'),
  );
  await using customer = await startCustomer(standalone);
  const { id } = await customer.requestVoucher();
  expect(await customer.nextCallback()).toMatchObject({ type: 'voucher.received', data: { requestId: id } });
});

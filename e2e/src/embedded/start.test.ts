import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { makePlace, type Place, runDemo, runStandalone, startStandalone } from '../standalone-process.ts';

// One place for all: a first start makes the database, which takes its time.
let place: Place;
beforeAll(async () => {
  place = await makePlace();
});
afterAll(() => place[Symbol.asyncDispose]());

it('says what it starts, where everything is and what to paste, and drains on Ctrl-C', async () => {
  const standalone = await startStandalone(place.environment);
  const { code, stdout } = await standalone.stop('SIGINT');
  expect(code).toBe(0);
  for (const part of ['engines', 'user', 'vps-mock', 'delivery', 'voucher', 'voucher-integration', 'gateway'])
    expect(stdout).toMatch(new RegExp(`✓ ${part} `));
  expect(stdout).toContain(`Playground   ${standalone.gatewayUrl}/`);
  expect(stdout).toContain(`curl -X POST ${standalone.gatewayUrl}/user/sign-up`);
  expect(stdout).toContain('npm run demo');
}, 180_000);

it.each(['GATEWAY_PORT', 'VPS_PORT', 'INTEGRATION_PORT'])(
  'names %s when its port is taken, and exits 1',
  async (setting) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runStandalone({ ...place.environment, [setting]: String(port) }).exit;
    other.close();
    expect(code).toBe(1);
    expect(stderr.trim()).toBe(
      `${setting}: port ${port} is taken by another process. Set ${setting} to another port, or stop what uses it.`,
    );
  },
  30_000,
);

it('names every setting that is wrong, at once, and exits 1', async () => {
  const { code, stderr } = await runStandalone({
    GATEWAY_PORT: 'http',
    SESSION_IDLE: 'soon',
    VPS_PROFILE: 'quick',
    VPS_URL: 'provider',
    LOG_LEVEL: 'loud',
  }).exit;
  expect(code).toBe(1);
  for (const [name, given] of Object.entries({
    GATEWAY_PORT: 'http',
    SESSION_IDLE: 'soon',
    VPS_PROFILE: 'quick',
    VPS_URL: 'provider',
    LOG_LEVEL: 'loud',
  }))
    expect(stderr).toMatch(new RegExp(`- ${name} must .*"${given}"`));
});

it('refuses settings that contradict each other, naming both', async () => {
  const { code, stderr } = await runStandalone({ ...place.environment, SESSION_IDLE: '2h', SESSION_MAX: '1h' }).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('SESSION_IDLE must not be longer than SESSION_MAX');
});

it('refuses a data folder that another process holds, naming the folder and the process; takes over a dead one’s', async () => {
  await using elsewhere = await makePlace();
  const first = await startStandalone(place.environment);
  const second = await runStandalone({ ...elsewhere.environment, DATA_DIR: place.dataDir }).exit;
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(place.dataDir);
  expect(second.stderr).toContain(String(first.pid));
  expect(second.stderr).toContain('DATA_DIR');
  await first.stop('SIGKILL');
  await using third = await startStandalone(place.environment);
  expect((await fetch(`${third.gatewayUrl}/health/ready`)).status).toBe(200);
}, 180_000);

it('refuses a data folder that can not be written or made, naming the setting', async () => {
  const file = join(place.dataDir, 'a-file');
  await writeFile(file, '');
  const { code, stderr } = await runStandalone({ ...place.environment, DATA_DIR: join(file, 'data') }).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('DATA_DIR');
  expect(stderr).toContain(join(file, 'data'));
});

it('refuses a data folder that is damaged, naming the setting and what to do, and leaves it as it is', async () => {
  await using damaged = await makePlace();
  const standalone = await startStandalone(damaged.environment);
  await standalone.stop('SIGTERM');
  const database = join(damaged.dataDir, 'postgres');
  await writeFile(join(database, 'PG_VERSION'), 'nonsense');
  await writeFile(join(database, 'global', 'pg_control'), 'nonsense');
  const entries = await readdir(database);
  const { code, stderr } = await runStandalone(damaged.environment).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('DATA_DIR');
  expect(stderr).toContain(damaged.dataDir);
  expect(await readdir(database)).toEqual(entries);
}, 180_000);

it('writes no phone number, code, token, password or callback URL into its log, at any level', async () => {
  const standalone = await startStandalone({ ...place.environment, LOG_LEVEL: 'trace', VPS_PROFILE: 'fast' });
  await using customer = await startCustomer(standalone);
  const request = await customer.requestVoucher();
  const { data } = await customer.nextCallback();
  await customer.answerOf('{ nope }');
  await customer.answerOf(
    'mutation { signUp(input: {username: "x", phoneNumber: "12", password: "hunter22"}) { token } }',
  );
  const { stderr } = await standalone.stop('SIGTERM');
  expect(stderr).toContain(request.id);
  for (const secret of [
    customer.phoneNumber.slice(1),
    data.code,
    customer.token,
    'correct horse',
    'hunter22',
    'whsec_',
  ])
    expect(stderr).not.toContain(secret);
  expect(stderr).not.toContain(customer.receiver.url);
}, 180_000);

it('walks the whole story by npm run demo, against what runs and on its own', async () => {
  await using elsewhere = await makePlace();
  await using _standalone = await startStandalone(place.environment);
  const [own, against] = await Promise.all([runDemo(elsewhere.environment).exit, runDemo(place.environment).exit]);
  for (const { code, stdout } of [own, against]) {
    expect(stdout).toMatch(/Signed up as .*\n.*Got the secret/);
    expect(stdout).toContain('Your request is being processed within 30 seconds');
    expect(stdout).toContain('The code came over the subscription');
    expect(stdout).toContain('its signature is right');
    expect(stdout).toMatch(/The purchased vouchers\n +\[{"code":"VC-/);
    expect(code).toBe(0);
  }
  expect(own.stdout).toContain('booted a stack of its own');
  expect(against.stdout).toContain(`Using the gateway at`);
}, 180_000);

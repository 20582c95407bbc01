import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import {
  createSetup,
  runDemo,
  runStandalone,
  type StandaloneProcess,
  type StandaloneSetup,
  startStandalone,
} from '../standalone-process.ts';
import { createPreparedSetup } from './system.ts';

// The tests share one installation with an existing database, because creating a database takes seconds. Only the test
// of `npm run demo` without a running stack creates a database.
let setup: StandaloneSetup;
beforeAll(async () => {
  setup = await createPreparedSetup();
});
afterAll(() => setup[Symbol.asyncDispose]());

describe('npm start: while it runs', () => {
  let standalone: StandaloneProcess;
  beforeAll(async () => {
    standalone = await startStandalone({ ...setup.environment, LOG_LEVEL: 'trace', VPS_PROFILE: 'fast' });
  });
  afterAll(() => standalone?.[Symbol.asyncDispose]());

  it('prints its URLs and commands to paste', () => {
    const stdout = standalone.printed();
    for (const part of ['engines', 'user', 'vps-mock', 'delivery', 'voucher', 'voucher-integration', 'gateway'])
      expect(stdout).toMatch(new RegExp(`✓ ${part} `));
    expect(stdout).toContain(`Open ${standalone.gatewayUrl}/ in a browser. Ctrl-C stops it`);
    expect(stdout).toContain(`curl -X POST ${standalone.gatewayUrl}/user/sign-up`);
    expect(stdout).toContain('npm run demo');
  });

  // The restart suite tests that a killed process does not keep the folder locked.
  it('locks its data folder: the error of another names the folder and the process', async () => {
    await using other = await createSetup();
    const { code, stderr } = await runStandalone({ ...other.environment, DATA_DIR: setup.dataDir }).exit;
    expect(code).toBe(1);
    expect(stderr).toContain(setup.dataDir);
    expect(stderr).toContain(String(standalone.pid));
    expect(stderr).toContain('DATA_DIR');
  });

  it('npm run demo runs the whole story, against it and on its own', async () => {
    await using other = await createSetup();
    const [own, against] = await Promise.all([runDemo(other.environment).exit, runDemo(setup.environment).exit]);
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
  });

  it('logs no personal data or secrets, and drains on Ctrl-C', async () => {
    await using customer = await startCustomer(standalone);
    const request = await customer.requestVoucher();
    const { data } = await customer.nextCallback();
    await customer.answerOf('{ nope }');
    await customer.answerOf(
      'mutation { signUp(input: {username: "x", phoneNumber: "12", password: "hunter22"}) { token } }',
    );
    const { code, stderr } = await standalone.stop('SIGINT');
    expect(code).toBe(0);
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
  });
});

it.each(['GATEWAY_PORT', 'VPS_PORT', 'INTEGRATION_PORT'])(
  'npm start: names %s if its port is in use, and exits with 1',
  async (setting) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runStandalone({ ...setup.environment, [setting]: String(port) }).exit;
    other.close();
    expect(code).toBe(1);
    expect(stderr.trim()).toBe(
      `${setting}: port ${port} is taken by another process. Set ${setting} to another port, or stop that process.`,
    );
  },
);

it('npm start: reports all wrong settings at once, and exits with 1', async () => {
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

it('npm start: refuses contradictory settings, naming both', async () => {
  const { code, stderr } = await runStandalone({ ...setup.environment, SESSION_IDLE: '2h', SESSION_MAX: '1h' }).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('SESSION_IDLE must not be longer than SESSION_MAX');
});

it('npm start: refuses a data folder that can not be written, naming the setting', async () => {
  const file = join(setup.dataDir, 'a-file');
  await writeFile(file, '');
  const { code, stderr } = await runStandalone({ ...setup.environment, DATA_DIR: join(file, 'data') }).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('DATA_DIR');
  expect(stderr).toContain(join(file, 'data'));
});

it('npm start: refuses a damaged data folder unchanged, and says what to do', async () => {
  await using damaged = await createPreparedSetup();
  const database = join(damaged.dataDir, 'postgres');
  await writeFile(join(database, 'PG_VERSION'), 'nonsense');
  await writeFile(join(database, 'global', 'pg_control'), 'nonsense');
  const entries = await readdir(database);
  const { code, stderr } = await runStandalone(damaged.environment).exit;
  expect(code).toBe(1);
  expect(stderr).toContain('DATA_DIR');
  expect(stderr).toContain(damaged.dataDir);
  expect(await readdir(database)).toEqual(entries);
});

// Regression: a test run that was killed left its processes running.
it('e2e: the processes of a test end with the test’s process', async () => {
  const { child } = runStandalone(setup.environment);
  // The test waits for `exit`, because `close` is not emitted after the parent has disconnected.
  const exit = once(child, 'exit');
  child.disconnect();
  expect(await exit).toEqual([1, null]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { serviceNames } from '@voucher-gateway/standalone/distributed';
import { describe, expect, inject, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { installDistributed } from './system.ts';

const entry = (folder: string) => join(inject('installation'), folder, 'src/main.ts');

it.each([
  [
    'gateway',
    ['JWKS_URL', 'REDIS_URL', 'KAFKA_BROKERS', 'SUBGRAPH_USER_URL', 'SUBGRAPH_VOUCHER_URL', 'SUBGRAPH_DELIVERY_URL'],
  ],
  ['subgraphs/user', ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS']],
  ['subgraphs/voucher', ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS', 'JWKS_URL']],
  ['subgraphs/delivery', ['DATABASE_URL', 'REDIS_URL', 'KAFKA_BROKERS', 'JWKS_URL']],
  ['voucher-integration', ['DATABASE_URL', 'KAFKA_BROKERS', 'VPS_URL']],
])('%s: alone, reports all missing and wrong settings at once', async (folder, missing) => {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [entry(folder)], { env: { PATH, HOME, PORT: 'http', KAFKA_PREFIX: 'a b' } });
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect(code).toBe(1);
  for (const name of missing) expect(stderr).toContain(`- ${name} is missing`);
  expect(stderr).toContain('- PORT must be a port');
  expect(stderr).toContain('- KAFKA_PREFIX must be');
});

describe('services as processes', { timeout: 300_000 }, () => {
  it('are ready, use little memory, and stop on SIGTERM within their deadline', async () => {
    await using installation = await installDistributed();
    await using system = await installation.start();
    // The gateway must survive SIGHUP also without SUPERGRAPH, when there is no file to reload.
    process.kill(system.pidOf('gateway') ?? Number.NaN, 'SIGHUP');
    for (const name of serviceNames) {
      const { status } = await fetch(`${system.urls[name]}/health/live`);
      expect(status).toBe(200);
      const residentMiB =
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${system.pidOf(name)}/status`, 'utf8'))?.[1]) / 1_024;
      // The gateway may use more memory, because the thread of its query planner has a second copy of the supergraph. A
      // first start uses up to 20 MiB more, because it strips types and fills the compile cache.
      expect(residentMiB, `${name} holds ${residentMiB} MiB`).toBeLessThan(name === 'gateway' ? 300 : 220);
    }
    for (const name of [...serviceNames].reverse()) {
      await system.kill(name, 'SIGTERM');
      expect(system.exitOf(name), name).toEqual({ code: 0, signal: null });
      expect(await isTaken(system.urls[name]), name).toBe(false);
    }
  });

  it('are not ready if another process responds on their port', async () => {
    // Regression: a stack used another stack's voucher service, which listened on the same port.
    await using installation = await installDistributed();
    await using system = await installation.start();
    await system.kill('vps-mock', 'SIGTERM');
    await using other = createHttpServer((_request, response) => response.end('{"status":"ok"}'));
    other.listen(Number(new URL(system.urls['vps-mock']).port), '127.0.0.1');
    await once(other, 'listening');
    await expect(system.start('vps-mock')).rejects.toThrow(/vps-mock ended:\s+PORT: port \d+ is taken/);
  });
});

it('gateway: reloads the supergraph on SIGHUP, and keeps sockets open', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'voucher-gateway-supergraph-'));
  const file = join(folder.path, 'supergraph.graphql');
  const sdl = await readFile(new URL('../../../schema/supergraph.graphql', import.meta.url), 'utf8');
  await writeFile(file, sdl);
  await using installation = await installDistributed({ SUPERGRAPH: file, VPS_PROFILE: 'fast' });
  await using system = await installation.start();
  await using customer = await startCustomer(system);
  const next = await customer.subscribe('subscription { voucherReceived { node { code } } }');
  await writeFile(file, sdl.replace(/^type Query\n/m, '"""Reloaded."""\n$&'));
  process.kill(system.pidOf('gateway') ?? Number.NaN, 'SIGHUP');
  await expect
    .poll(async () => (await customer.graphql('{ __type(name: "Query") { description } }')).__type.description)
    .toBe('Reloaded.');
  await customer.requestVoucher({});
  expect((await next()).voucherReceived.node.code).toEqual(expect.any(String));
});

async function isTaken(url: string): Promise<boolean> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).then((taken) => {
    socket.destroy();
    return taken as boolean;
  });
}

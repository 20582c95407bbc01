import dns from 'node:dns';
import net from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { startTestGateway } from './testing/gateway.ts';

describe('telemetry', () => {
  it('is off, even with an Apollo key in the environment', async () => {
    using connect = vi.spyOn(net.Socket.prototype, 'connect');
    using lookup = vi.spyOn(dns, 'lookup');
    vi.stubEnv('APOLLO_KEY', 'service:test:secret');
    vi.stubEnv('APOLLO_GRAPH_REF', 'test@current');
    vi.stubEnv('APOLLO_TELEMETRY_DISABLED', '');
    try {
      await using gateway = await startTestGateway();
      await gateway.post('{ hello }');
    } finally {
      vi.unstubAllEnvs();
    }
    const hosts = new Set(
      connect.mock.calls.flat(3).flatMap((input) => (input as { host?: string } | null)?.host ?? []),
    );
    expect([...hosts]).toEqual(['127.0.0.1']);
    expect(new Set(lookup.mock.calls.map(([host]) => host))).toEqual(new Set(['127.0.0.1']));
  });
});

describe('log', () => {
  it('contains no token', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    await gateway.post('{ hello }', { token });
    await gateway.post('{ nope }', { token });
    await gateway.post('{ hello }', { token: `${token}x` });
    expect(gateway.log.text).not.toContain(token.slice(0, 40));
  });
});

describe('readiness', () => {
  it('reports the planner, but does not depend on it', async () => {
    await using gateway = await startTestGateway();
    const ready = async () => {
      const response = await fetch(`${gateway.url}/health/ready`);
      return [response.status, ((await response.json()) as { engines: object }).engines];
    };
    expect((await ready())[0]).toBe(200);
    await expect.poll(ready).toEqual([200, { 'key-value': 'ok', topics: 'ok', planner: 'ok' }]);
  });
});

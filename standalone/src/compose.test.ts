import { readFileSync } from 'node:fs';
import { gatewaySettings } from '@voucher-gateway/gateway/config';
import {
  parseDurationMs,
  readConfig,
  serviceSettings,
  shutdownDelayMs,
} from '@voucher-gateway/platform/process/config';
import { defaultStopMs } from '@voucher-gateway/platform/process/lifecycle';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type ServiceName, serviceNames } from './distributed.ts';
import { processSettings, settingsOf } from './settings.ts';
import { stopWithinMs } from './stack.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface ComposeService {
  image: string;
  build?: string;
  container_name?: string;
  command?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: object;
  init?: boolean;
  read_only?: boolean;
  stop_grace_period?: string;
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, ComposeService> };
const dockerfile = read('Dockerfile');
/** Replaces `${NAME:-default}` by its default, as compose does if no variables are set. */
const filled = (text: string) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
const serviceOf = (name: string): ComposeService => {
  const service = compose.services[name];
  if (!service) throw new Error(`docker-compose.yml has no ${name}`);
  return service;
};

it('compose: starts the engines and every service, and nothing else', () => {
  expect(Object.keys(compose.services).sort()).toEqual(['kafka', 'postgres', 'redis', ...serviceNames].sort());
  expect(serviceOf('postgres')).toMatchObject({
    container_name: 'postgres',
    environment: { POSTGRES_DB: 'bank_voucher_int' },
  });
  expect(serviceOf('redis').command).toContain('--appendonly');
  expect(serviceOf('kafka').environment?.KAFKA_PROCESS_ROLES).toBe('broker,controller');
});

it('compose: pins every image to a version', () => {
  const images = [
    ...Object.values(compose.services).map(({ image }) => image),
    ...[...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image),
  ];
  for (const image of images) expect(image).toMatch(/:(\d+\.\d+\.\d+|\d+\.\d+)(-[\w.-]+)?$|^voucher-gateway:local$/);
});

describe.each([...serviceNames])('%s', (name: ServiceName) => {
  const { environment = {}, command = [], ports = [], depends_on = {}, ...service } = serviceOf(name);

  it('has only known settings, and all required ones', () => {
    const settings = processSettings[name];
    expect(Object.keys(environment).filter((variable) => !(variable in settings.shape))).toEqual([]);
    const configured = Object.fromEntries(
      Object.entries(environment).map(([variable, value]) => [variable, filled(value)]),
    );
    expect(() => readConfig(settings, { NODE_ENV: 'production', HOST: '0.0.0.0', ...configured })).not.toThrow();
  });

  it('has NODE_ENV=production by default', () => {
    expect(settingsOf(processSettings[name]).find((setting) => setting.name === 'NODE_ENV')).toMatchObject({
      fallback: 'production',
    });
  });

  it('runs its entry file, by node itself, in a read-only file system', () => {
    expect(() => read(command[0] ?? '')).not.toThrow();
    expect(service.read_only).toBe(true);
  });

  it('has a grace period longer than its shutdown, as in docs/operations.md', () => {
    const configured = Object.fromEntries(
      Object.entries(environment).map(([variable, value]) => [variable, filled(value)]),
    );
    const config = readConfig(z.object({ ...serviceSettings, DRAIN_WINDOW: gatewaySettings.shape.DRAIN_WINDOW }), {
      NODE_ENV: 'production',
      ...configured,
    });
    const stopsWithinMs = shutdownDelayMs(config) + (name === 'gateway' ? config.DRAIN_WINDOW : 0) + defaultStopMs;
    const graceMs = parseDurationMs(service.stop_grace_period ?? '') ?? 0;
    expect(graceMs).toBeGreaterThan(stopsWithinMs + 1_000);
    expect(read('docs/operations.md')).toContain(`| \`${name}\` | ${stopsWithinMs / 1_000} s | ${graceMs / 1_000} s |`);
  });

  it('listens on the port that is published and configured at others', () => {
    const port = environment.PORT;
    for (const published of ports) expect(published.split(':').at(-1)).toBe(port);
    for (const other of Object.values(compose.services))
      for (const value of Object.values(other.environment ?? {}))
        for (const [, configured] of filled(value).matchAll(new RegExp(`//${name}:(\\d+)`, 'g')))
          expect(configured).toBe(port);
  });

  it('starts once its dependencies are healthy', () => {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      expect(condition).toBe('service_healthy');
      // The health check of our services is in the Dockerfile. Engines must have a health check in the compose file.
      if (!(serviceNames as readonly string[]).includes(other)) expect(serviceOf(other).healthcheck).toBeDefined();
    }
    for (const engine of ['postgres', 'redis', 'kafka'])
      if (Object.values(environment).some((value) => value.includes(`${engine}:`)))
        expect(Object.keys(depends_on)).toContain(engine);
  });
});

it('compose: builds the image of all services once', () => {
  // Regression: six services built the same tag at the same time, which fails if the image does not exist yet.
  const services = serviceNames.map((name) => ({ name, ...serviceOf(name) }));
  expect(new Set(services.map(({ image }) => image))).toEqual(new Set(['voucher-gateway:local']));
  expect(services.filter(({ build }) => build !== undefined).map(({ name }) => name)).toEqual(['gateway']);
});

it('compose: gateway and voucher-integration can be scaled', () => {
  for (const name of ['gateway', 'voucher-integration'] as const) {
    expect(serviceOf(name).container_name).toBeUndefined();
    for (const port of serviceOf(name).ports ?? []) expect(port).toMatch(/^\d+-\d+:/);
  }
});

it('compose: runs each service under init, as Node ignores early signals as PID 1', () => {
  for (const name of serviceNames) expect(serviceOf(name).init).toBe(true);
});

it('image: is built in stages, runs unprivileged, and has a health check', () => {
  expect(dockerfile.match(/^FROM /gm)?.length).toBeGreaterThan(1);
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  // Every workspace's package.json is copied before npm ci.
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
  for (const workspace of workspaces.filter((pattern) => !pattern.includes('*')))
    expect(dockerfile).toContain(`COPY ${workspace}/package.json ${workspace}/`);
});

it('image: has the Node of .nvmrc, which the workflows install', () => {
  expect(dockerfile.match(/^FROM node:(\d+)\./gm)).toEqual(Array(2).fill(`FROM node:${read('.nvmrc').trim()}.`));
});

it('launcher: starts the services of the image and of package.json', () => {
  const launcher = ['node', 'scripts/run.js'];
  expect(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? '[]')).toEqual(launcher);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const starts = Object.values(scripts).filter((command) => /\/src\/main\.ts$/.test(command));
  expect(starts.filter((command) => command.startsWith(launcher.join(' ')))).toHaveLength(serviceNames.length + 1);
});

it('standalone: its shutdown time-out is longer than the gateway’s drain', () => {
  const DRAIN_WINDOW = 60_000;
  expect(stopWithinMs({ DRAIN_WINDOW })).toBeGreaterThan(DRAIN_WINDOW + defaultStopMs);
});

it('workflows: offer each benchmark', () => {
  const { on } = parse(read('.github/workflows/bench.yml')) as {
    on: { workflow_dispatch: { inputs: { benchmark: { options: string[] } } } };
  };
  const [, names = ''] = /const benchmarks[^{]*\{([^}]*)\}/.exec(read('bench/src/main.ts')) ?? [];
  expect(on.workflow_dispatch.inputs.benchmark.options).toEqual(names.match(/\w+/g));
});

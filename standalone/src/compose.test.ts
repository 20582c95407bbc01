import { readFileSync } from 'node:fs';
import { gatewaySettings } from '@voucher-gateway/gateway/config';
import { parseDurationMs, readConfig, serviceSettings, shutdownDelayMs } from '@voucher-gateway/platform/config';
import { defaultStopMs } from '@voucher-gateway/platform/lifecycle';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { nodeOptions, type ServiceName, serviceNames } from './distributed.ts';
import { processSettings, settingsOf } from './settings.ts';
import { stopWithinMs } from './stack.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface ComposeService {
  image: string;
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
/** As compose fills variables in: `${NAME:-default}` where nothing is set. */
const filled = (text: string) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
const serviceOf = (name: string): ComposeService => {
  const service = compose.services[name];
  if (!service) throw new Error(`docker-compose.yml has no ${name}`);
  return service;
};

it('starts the engines and every service, and nothing else', () => {
  expect(Object.keys(compose.services).sort()).toEqual(['kafka', 'postgres', 'redis', ...serviceNames].sort());
  expect(serviceOf('postgres')).toMatchObject({
    container_name: 'postgres',
    environment: { POSTGRES_DB: 'bank_voucher_int' },
  });
  expect(serviceOf('redis').command).toContain('--appendonly');
  expect(serviceOf('kafka').environment?.KAFKA_PROCESS_ROLES).toBe('broker,controller');
});

it('pins every image to a version', () => {
  const images = [
    ...Object.values(compose.services).map(({ image }) => image),
    ...[...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image),
  ];
  for (const image of images) expect(image).toMatch(/:(\d+\.\d+\.\d+|\d+\.\d+)(-[\w.-]+)?$|^voucher-gateway:local$/);
});

describe.each([...serviceNames])('%s', (name: ServiceName) => {
  const { environment = {}, command = [], ports = [], depends_on = {}, ...service } = serviceOf(name);

  it('is told only what its configuration knows, and all that it needs', () => {
    const settings = processSettings[name];
    expect(Object.keys(environment).filter((variable) => !(variable in settings.shape))).toEqual([]);
    const told = Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, filled(value)]));
    expect(() => readConfig(settings, { NODE_ENV: 'production', HOST: '0.0.0.0', ...told })).not.toThrow();
  });

  it('is for production, unless told otherwise', () => {
    expect(settingsOf(processSettings[name]).find((setting) => setting.name === 'NODE_ENV')).toMatchObject({
      fallback: 'production',
    });
  });

  it('runs its entry file, by node itself, in a read-only file system', () => {
    expect(() => read(command[0] ?? '')).not.toThrow();
    expect(service.read_only).toBe(true);
  });

  it('gives it more time to stop than it takes, as docs/operations.md tells', () => {
    const told = Object.fromEntries(Object.entries(environment).map(([variable, value]) => [variable, filled(value)]));
    const config = readConfig(z.object({ ...serviceSettings, DRAIN_WINDOW: gatewaySettings.shape.DRAIN_WINDOW }), {
      NODE_ENV: 'production',
      ...told,
    });
    const stopsWithinMs = shutdownDelayMs(config) + (name === 'gateway' ? config.DRAIN_WINDOW : 0) + defaultStopMs;
    const graceMs = parseDurationMs(service.stop_grace_period ?? '') ?? 0;
    expect(graceMs).toBeGreaterThan(stopsWithinMs + 1_000);
    expect(read('docs/operations.md')).toContain(`| \`${name}\` | ${stopsWithinMs / 1_000} s | ${graceMs / 1_000} s |`);
  });

  it('listens on the port that is published and that others are told', () => {
    const port = environment.PORT;
    for (const published of ports) expect(published.split(':').at(-1)).toBe(port);
    for (const other of Object.values(compose.services))
      for (const value of Object.values(other.environment ?? {}))
        for (const [, told] of filled(value).matchAll(new RegExp(`//${name}:(\\d+)`, 'g'))) expect(told).toBe(port);
  });

  it('waits for what it needs until that is healthy', () => {
    for (const [other, { condition }] of Object.entries(depends_on)) {
      expect(condition).toBe('service_healthy');
      // The image checks our own services' health; the engines say how.
      if (!(serviceNames as readonly string[]).includes(other)) expect(serviceOf(other).healthcheck).toBeDefined();
    }
    for (const engine of ['postgres', 'redis', 'kafka'])
      if (Object.values(environment).some((value) => value.includes(`${engine}:`)))
        expect(Object.keys(depends_on)).toContain(engine);
  });
});

it('lets the gateway and voucher-integration be scaled: no name and no single port stands in the way', () => {
  for (const name of ['gateway', 'voucher-integration'] as const) {
    expect(serviceOf(name).container_name).toBeUndefined();
    for (const port of serviceOf(name).ports ?? []) expect(port).toMatch(/^\d+-\d+:/);
  }
});

it('compose: puts an init process before each service, for Node ignores early signals as process 1', () => {
  for (const name of serviceNames) expect(serviceOf(name).init).toBe(true);
});

it('builds an image in stages, that runs as nobody in particular and checks its health', () => {
  expect(dockerfile.match(/^FROM /gm)?.length).toBeGreaterThan(1);
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  // Every workspace's manifest is there before npm ci.
  const { workspaces } = JSON.parse(read('package.json')) as { workspaces: string[] };
  for (const workspace of workspaces.filter((pattern) => !pattern.includes('*')))
    expect(dockerfile).toContain(`COPY ${workspace}/package.json ${workspace}/`);
});

it('runs a service with the same options of Node, whoever starts it', () => {
  expect(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? '[]')).toEqual(['node', ...nodeOptions]);
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const starts = Object.entries(scripts).filter(
    ([name, command]) => /^start:/.test(name) && /\/src\/main\.ts$/.test(command),
  );
  expect(starts).toHaveLength(serviceNames.length);
  for (const [, command] of starts) expect(command.split(' ').slice(0, -1)).toEqual(['node', ...nodeOptions]);
});

it('standalone: waits longer for its own stop than the gateway takes for its drain', () => {
  const DRAIN_WINDOW = 60_000;
  expect(stopWithinMs({ DRAIN_WINDOW })).toBeGreaterThan(DRAIN_WINDOW + defaultStopMs);
});

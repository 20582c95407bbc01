import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDistributedStack,
  type DistributedStack,
  type ServiceName,
  serviceNames,
} from '@voucher-gateway/standalone/distributed';
import { type Engines, startEngines } from '@voucher-gateway/standalone/engines/engines';
import { startKafka } from '@voucher-gateway/standalone/engines/kafka';
import { startPostgres } from '@voucher-gateway/standalone/engines/postgres';
import type { EngineProcess } from '@voucher-gateway/standalone/engines/process';
import { startRedis } from '@voucher-gateway/standalone/engines/redis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import { productionEnvironment } from '../production-environment.ts';
import { type Accepted, expectPromisesKept, keepRequesting } from './kept-promises.ts';
import { showOnFailure } from './service-logs.ts';
import { servicePorts } from './service-ports.ts';

// Folder with the engines' data. Other suites share engines; this one starts its own, because it kills them.
let folder: string;
let engines: Engines;
let stack: DistributedStack;
let releases: AsyncDisposableStack;

const expectKept = (accepted: readonly Accepted[]) => expectPromisesKept(accepted, stack, engines.postgres.url);

/** Returns the status of a service's `/health/ready`, and the state of each engine in its response. */
async function readiness(name: ServiceName) {
  const response = await fetch(`${stack.urls[name]}/health/ready`);
  return [response.status, ((await response.json()) as { engines: Record<string, string> }).engines];
}

/** The running engines by name. Tests kill and restart them. */
const running = new Map<EngineName, EngineProcess>();
type EngineName = 'postgres' | 'redis' | 'kafka';
const stopEngine = (name: EngineName) => running.get(name)?.[Symbol.asyncDispose]();
async function startEngine(name: EngineName): Promise<void> {
  const at = { folder: join(folder, 'engines') };
  const started = {
    postgres: () => startPostgres({ ...at, port: portOf(engines.postgres.url) }),
    redis: () => startRedis({ ...at, port: portOf(engines.redis.url) }),
    kafka: () => startKafka({ ...at, libraries: engines.kafka.libraries, port: portOf(engines.kafka.brokers) }),
  };
  running.set(name, releases.use(await started[name]()).process);
}

const portOf = (url: string) => Number(new URL(url.includes('//') ? url : `kafka://${url}`).port);

describe('faults, one process per service', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    await using opening = new AsyncDisposableStack();
    folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-faults-'));
    opening.defer(() => rm(folder, { recursive: true, force: true }));
    engines = opening.use(await startEngines({ folder: join(folder, 'engines'), standardPorts: false }));
    const logFile = join(folder, 'services.log');
    opening.use(showOnFailure(logFile));
    stack = opening.use(
      await createDistributedStack({
        installation: inject('installation'),
        ports: await servicePorts(),
        environment: {
          ...engines.environment,
          VPS_PROFILE: 'fast',
          VPS_RETRY_BASE: '200ms',
          VPS_STATE_FILE: join(folder, 'vps-mock.json'),
          CALLBACK_RETRY_SCHEDULE: '200ms,500ms,1s,2s,5s,5s,5s,5s,5s,5s',
          KAFKA_PARTITIONS: '3',
          LOG_LEVEL: 'error',
          ...productionEnvironment,
        },
        logFile,
      }),
    );
    for (const name of ['postgres', 'redis', 'kafka'] as const) running.set(name, engines[name].process);
    releases = opening.move();
  });
  afterAll(() => releases?.disposeAsync());

  it.each<ServiceName>(['voucher', 'voucher-integration', 'delivery', 'gateway', 'user', 'vps-mock'])(
    'of %s: a kill under load breaks no promise',
    async (name) => {
      await using ann = await startCustomer(stack);
      await using bob = await startCustomer(stack);
      const load = keepRequesting([ann, bob]);
      await expect.poll(() => load.accepted.length).toBeGreaterThan(10);
      await stack.kill(name, 'SIGKILL');
      await stack.start(name);
      const before = load.accepted.length;
      await expect.poll(() => load.accepted.length).toBeGreaterThan(before + 10);
      await load.stop();
      await expectKept(load.accepted);
    },
  );

  it.each<EngineName>(['postgres', 'redis'])(
    'of %s: after a restart under load, sending continues by itself',
    async (name) => {
      await using ann = await startCustomer(stack);
      // The receiver fails at first, so that some callbacks wait for a retry during the fault.
      ann.receiver.answerWith(...Array.from({ length: 8 }, () => 503));
      const load = keepRequesting([ann]);
      await expect.poll(() => load.accepted.length).toBeGreaterThan(10);
      await stopEngine(name);
      await startEngine(name);
      const before = load.accepted.length;
      await expect.poll(() => load.accepted.length).toBeGreaterThan(before + 10);
      await load.stop();
      await expectKept(load.accepted);
    },
  );

  it('of Kafka: requests are accepted, and delivered once it is back', async () => {
    await using customer = await startCustomer(stack);
    await stopEngine('kafka');
    const accepted: Accepted[] = [];
    for (let request = 0; request < 5; request += 1)
      accepted.push({ requestId: (await customer.requestVoucher()).id, customer });
    expect(customer.receiver.calls).toEqual([]);
    for (const name of ['gateway', 'voucher', 'delivery', 'voucher-integration'] as const)
      await expect.poll(() => readiness(name)).toMatchObject([200, { topics: 'away' }]);
    await startEngine('kafka');
    await expectKept(accepted);
  });

  it('of Redis: its loss ends all sessions, and loses nothing else', async () => {
    await using customer = await startCustomer(stack);
    await fetch(`${stack.vpsUrl}/control/next`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber: customer.phoneNumber, delayMs: 2_000 }),
    });
    const { id: requestId } = await customer.requestVoucher();
    await stopEngine('redis');
    expect(await customer.answerOf('{ me { id } }')).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }],
    });
    await expectKept([{ requestId, customer }]);
    for (const name of ['voucher', 'delivery'] as const)
      await expect.poll(() => readiness(name)).toMatchObject([200, { 'key-value': 'away' }]);
    await expect.poll(() => readiness('gateway')).toMatchObject([503, { 'key-value': 'away' }]);
    // The data of Redis is deleted, so that it starts empty.
    await rm(join(folder, 'engines', 'redis'), { recursive: true, force: true });
    await startEngine('redis');
    await expect
      .poll(() => customer.answerOf('{ me { id } }'))
      .toMatchObject({ status: 401, errors: [{ extensions: { code: 'SESSION_EXPIRED' } }] });
    await using another = await startCustomer(stack);
    await expectKept([{ requestId: (await another.requestVoucher()).id, customer: another }]);
  });

  it('of PostgreSQL: errors are retryable and without side effects until it is back', async () => {
    await using customer = await startCustomer(stack);
    await stopEngine('postgres');
    expect(
      await customer.answerOf('mutation { requestVoucher(input: {idempotencyKey: "while-away"}) { id } }'),
    ).toMatchObject({ errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } }] });
    await startEngine('postgres');
    await expect.poll(async () => (await fetch(`${stack.urls.voucher}/health/ready`)).status).toBe(200);
    const { id: requestId } = await customer.requestVoucher();
    await expectKept([{ requestId, customer }]);
    const { voucherRequest } = await customer.graphql('query ($id: ID!) { voucherRequest(id: $id) { status } }', {
      id: requestId,
    });
    expect(voucherRequest.status).toBe('FULFILLED');
    // The refused request has no side effects: its idempotency key can be used for another request.
    const again = await customer.requestVoucher({ callbackUrl: customer.receiver.url, idempotencyKey: 'while-away' });
    await expectKept([{ requestId: again.id, customer }]);
  });

  // Regression: no service started while Kafka was down. When Kafka was back, the services did not become ready.
  it('at the start: services wait for Redis and Kafka, and serve what they can', async () => {
    await using customer = await startCustomer(stack);
    await stopEngine('kafka');
    await stopEngine('redis');
    await stopServices();
    const starting = serviceNames.map((name) => stack.start(name));
    for (const name of ['voucher', 'delivery', 'voucher-integration'] as const)
      await expect.poll(() => readinessOf(name)).toMatchObject([200, { database: 'ok', topics: 'away' }]);
    for (const name of ['user', 'gateway'] as const)
      await expect.poll(() => readinessOf(name)).toMatchObject([503, { 'key-value': 'away', topics: 'away' }]);
    for (const name of serviceNames) expect([name, await liveStatus(name)]).toEqual([name, 200]);
    await startEngine('redis');
    await Promise.all(starting);
    const { id: requestId } = await customer.requestVoucher();
    expect(customer.receiver.calls).toEqual([]);
    await startEngine('kafka');
    await expectKept([{ requestId, customer }]);
    for (const name of serviceNames) expect([name, await liveStatus(name)]).toEqual([name, 200]);
  });

  // Regression: each step of the stop waited for an engine, so that in total the stop exceeded its deadline.
  it('of all engines at once, frozen: services stop in time and exit 0', async () => {
    await using customer = await startCustomer(stack);
    {
      using _frozen = await freezeEngines();
      using requests = new DisposableStack();
      for (const name of serviceNames) requests.use(await openHalfRequest(name));
      await stopServices();
    }
    await Promise.all(serviceNames.map((name) => stack.start(name)));
    await expectKept([{ requestId: (await customer.requestVoucher()).id, customer }]);
  });

  it('of PostgreSQL: services stop in time and exit 0 while it is down', async () => {
    await stopEngine('postgres');
    for (const name of ['user', 'voucher', 'delivery', 'voucher-integration'] as const)
      await expect.poll(() => readinessOf(name)).toMatchObject([503, { database: 'away' }]);
    // During the outage of an engine, a service is not ready but still live. Otherwise an orchestrator would restart
    // the service.
    for (const name of serviceNames) expect([name, await liveStatus(name)]).toEqual([name, 200]);
    await stopServices();
    await startEngine('postgres');
    await Promise.all(serviceNames.map((name) => stack.start(name)));
    await using customer = await startCustomer(stack);
    await expectKept([{ requestId: (await customer.requestVoucher()).id, customer }]);
  });
});

/** Freezes every engine, including all processes of PostgreSQL. Disposing resumes the engines. */
async function freezeEngines(): Promise<Disposable> {
  const client = new pg.Client({ connectionString: engines.postgres.url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>(
    'select pid from pg_stat_activity where pid <> pg_backend_pid()',
  );
  await client.end();
  const pids = [...running.values()].map(({ pid }) => pid);
  const signal = (name: NodeJS.Signals) => {
    // PostgreSQL's main process is frozen before its other processes, so that it starts no more of them.
    for (const pid of [...pids, ...rows.map(({ pid }) => pid)]) {
      try {
        process.kill(pid, name);
      } catch {
        // A process may have ended since it was listed.
      }
    }
  };
  signal('SIGSTOP');
  return { [Symbol.dispose]: () => signal('SIGCONT') };
}

/** Sends half of a request to a service, which then waits for the other half. */
async function openHalfRequest(name: ServiceName): Promise<Disposable> {
  const { hostname, port } = new URL(stack.urls[name]);
  const socket = connect(Number(port), hostname).on('error', () => {});
  await once(socket, 'connect');
  socket.write('POST /graphql HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{');
  return { [Symbol.dispose]: () => void socket.destroy() };
}

/**
 * Stops every service with SIGTERM, as a deployment does. Each service must exit with 0 before its shutdown deadline.
 */
async function stopServices(): Promise<void> {
  await Promise.all(serviceNames.map((name) => stack.kill(name, 'SIGTERM')));
  for (const name of serviceNames) expect([name, stack.exitOf(name)]).toEqual([name, { code: 0, signal: null }]);
}

/** Like `readiness`; null while the service does not listen yet. */
const readinessOf = (name: ServiceName) => readiness(name).catch(() => null);

const liveStatus = async (name: ServiceName) => (await fetch(`${stack.urls[name]}/health/live`)).status;

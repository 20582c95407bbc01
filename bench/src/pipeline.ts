import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDistributedStack, serviceNames } from '@voucher-gateway/standalone/distributed';
import { startEngines } from '@voucher-gateway/standalone/engines/engines';
import { type Customer, openApi, startReceiver, subscribe } from './pipeline-clients.ts';
import { readCpuMs } from './process-cpu.ts';
import { atMost, latencies, type Report, type Result, round } from './report.ts';
import { within } from './steady-load.ts';

const customers = 50;
const lightPerSecond = 20;
const lightSeconds = Number(process.env.BENCH_LIGHT_SECONDS ?? 20);
/** By then most code is compiled, in Node and in Kafka. */
const warmUpSeconds = Number(process.env.BENCH_WARM_UP_SECONDS ?? 30);
const loadSeconds = Number(process.env.BENCH_LOAD_SECONDS ?? 60);
const loadInFlight = Number(process.env.BENCH_IN_FLIGHT ?? 32);
const burst = 1_000;
/** The load of requests whose codes come by the provider's callbacks: rates of acceptance, and of callbacks. */
const late = { requests: 3_000, acceptedPerSecond: 300, duePerSecond: 500, dueAfterMs: 20_000, perInstruction: 30 };

/** CPU time of all processes of this machine, in milliseconds. */
const busyMs = () => cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);

/** The times of a request's events, in milliseconds of this process's clock. */
interface Journey {
  acceptedAt: number;
  calledBackAt?: number;
  streamedAt?: number;
}

/**
 * Measures the whole pipeline on PostgreSQL, Redis and Kafka, with one process per service on this machine:
 *
 * 1. Under light load: latency from acceptance to callback and to subscriber.
 * 2. Under full load: accepted requests per second.
 * 3. A burst of 1,000 requests, with a provider that takes 2.95 s each: the longest without a challenge.
 * 4. Late codes, which the provider posts at 500 per second.
 */
export async function pipeline(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-bench-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const engines = releases.use(await startEngines({ folder: join(folder, 'engines'), standardPorts: false }));
  const stack = releases.use(
    await createDistributedStack({
      environment: {
        ...engines.environment,
        LOG_LEVEL: 'warn',
        NODE_ENV: 'test',
        VPS_PROFILE: 'fast',
        RATE_LIMITS: 'off',
        VPS_STATE_FILE: '',
      },
      logFile: join(folder, 'services.log'),
    }),
  );
  const api = releases.use(await openApi(stack.gatewayUrl));
  const instruct = (instruction: object) =>
    fetch(`${stack.vpsUrl}/control/next`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(instruction),
    }).then((response) => response.text());

  const journeys = new Map<string, Journey>();
  const early = new Map<string, Partial<Journey>>();
  const note = (requestId: string, what: 'calledBackAt' | 'streamedAt') => {
    const journey = journeys.get(requestId);
    if (journey) journey[what] ??= performance.now();
    // The code may reach the client before the response to the request.
    else early.set(requestId, { [what]: performance.now(), ...early.get(requestId) });
  };
  const callbackUrl = releases.use(await startReceiver((requestId) => note(requestId, 'calledBackAt'))).url;
  const people: Customer[] = [];
  for (let index = 0; index < customers; index += 1) people.push(await api.signUp(index));
  const socketUrl = `${stack.gatewayUrl.replace('http', 'ws')}/graphql`;
  for (const person of people)
    releases.use(await subscribe(socketUrl, person, (requestId) => note(requestId, 'streamedAt')));

  let turn = 0;
  const request = async (): Promise<number> => {
    const person = people[turn++ % people.length];
    if (!person) throw new Error('there are no customers');
    const startedAt = performance.now();
    const id = await api.requestVoucher(person.token, callbackUrl);
    const acceptedAt = performance.now();
    journeys.set(id, { acceptedAt, ...early.get(id) });
    early.delete(id);
    return acceptedAt - startedAt;
  };
  const undelivered = () =>
    [...journeys.values()].filter(({ calledBackAt, streamedAt }) => !calledBackAt || !streamedAt).length;
  const settle = (withinMs: number) => within(withinMs, () => undelivered() === 0);
  const since = (from: ReadonlyMap<string, Journey>, what: 'calledBackAt' | 'streamedAt') =>
    [...from.values()].map((journey) => Math.max(0, (journey[what] ?? Number.NaN) - journey.acceptedAt));

  /** Requests without pause, `loadInFlight` at a time. Returns the time of each, and of all, in milliseconds. */
  const requestFor = async (seconds: number): Promise<{ eachMs: number[]; tookMs: number }> => {
    const eachMs: number[] = [];
    const startedAt = performance.now();
    const endAt = startedAt + seconds * 1_000;
    await Promise.all(
      Array.from({ length: loadInFlight }, async () => {
        while (performance.now() < endAt) eachMs.push(await request());
      }),
    );
    return { eachMs, tookMs: performance.now() - startedAt };
  };

  await instruct({ delayMs: 0, times: 1_000_000 });
  await requestFor(warmUpSeconds);
  await settle(30_000);

  journeys.clear();
  const lightAccepts: number[] = [];
  const lightStart = performance.now();
  const running: Promise<unknown>[] = [];
  for (let index = 0; index < lightPerSecond * lightSeconds; index += 1) {
    await sleep(Math.max(0, lightStart + (index * 1_000) / lightPerSecond - performance.now()));
    running.push(request().then((ms) => lightAccepts.push(ms)));
  }
  await Promise.all(running);
  await settle(10_000);
  const results: Result[] = [
    ...latencies(`accepted, ${lightPerSecond}/s`, lightAccepts),
    ...latencies(`acceptance to callback, ${lightPerSecond}/s`, since(journeys, 'calledBackAt')),
    ...latencies(`acceptance to subscriber, ${lightPerSecond}/s`, since(journeys, 'streamedAt')),
  ];

  journeys.clear();
  const pids = {
    client: process.pid,
    PostgreSQL: engines.postgres.process.pid,
    Kafka: engines.kafka.process.pid,
    Redis: engines.redis.process.pid,
    ...Object.fromEntries(serviceNames.map((name) => [name, stack.pidOf(name)])),
  };
  const busyBefore = busyMs();
  const usedBefore = readCpuMs(pids);
  const { eachMs: loadAccepts, tookMs: loadMs } = await requestFor(loadSeconds);
  await settle(10_000);
  const left = undelivered();
  results.push(
    {
      name: `load, ${loadInFlight} in flight, ${loadSeconds} s`,
      metric: 'accepted',
      unit: '1/s',
      value: round(loadAccepts.length / (loadMs / 1_000)),
    },
    ...latencies('accepted, load', loadAccepts),
    { name: 'load', metric: 'undelivered 10 s after', unit: 'requests', value: left },
  );
  await settle(120_000);
  const perRequest = (name: string, ms: number) => ({
    name: 'load',
    metric: `CPU per request, ${name}`,
    unit: 'ms',
    value: round(ms / loadAccepts.length),
  });
  results.push(
    perRequest('all processes', busyMs() - busyBefore),
    ...[...readCpuMs(pids)].map(([name, ms]) => perRequest(name, ms - (usedBefore.get(name) ?? 0))),
  );

  journeys.clear();
  await fetch(`${stack.vpsUrl}/control/next`, { method: 'DELETE' });
  // Just below the provider's limit: the code is still in its response.
  await instruct({ delayMs: 2_950, times: 1_000_000 });
  const burstStart = performance.now();
  await Promise.all(Array.from({ length: burst }, request));
  const firstAcceptedAt = Math.min(...[...journeys.values()].map(({ acceptedAt }) => acceptedAt));
  const acceptedMs = performance.now() - burstStart;
  await settle(60_000);
  const lastMs = Math.max(...since(journeys, 'calledBackAt'), ...since(journeys, 'streamedAt'));
  const allMs =
    Math.max(
      ...[...journeys.values()].flatMap(({ calledBackAt = Infinity, streamedAt = Infinity }) => [
        calledBackAt,
        streamedAt,
      ]),
    ) - firstAcceptedAt;
  results.push(
    { name: `burst of ${burst}, provider takes 2.95 s`, metric: 'all accepted', unit: 'ms', value: round(acceptedMs) },
    { name: `burst of ${burst}, provider takes 2.95 s`, metric: 'all delivered', unit: 'ms', value: round(allMs) },
    { name: `burst of ${burst}, provider takes 2.95 s`, metric: 'longest', unit: 'ms', value: round(lastMs) },
  );

  journeys.clear();
  await fetch(`${stack.vpsUrl}/control/next`, { method: 'DELETE' });
  for (let index = 0; index < late.requests; index += late.perInstruction)
    await instruct({
      delayMs: Math.round(late.dueAfterMs + dueAtMs(index) - acceptedAtMs(index)),
      times: late.perInstruction,
    });
  const lateStart = performance.now();
  const lateRunning: Promise<unknown>[] = [];
  for (let index = 0; index < late.requests; index += 1) {
    await sleep(Math.max(0, lateStart + acceptedAtMs(index) - performance.now()));
    lateRunning.push(request());
  }
  await Promise.all(lateRunning);
  const lateAcceptedMs = performance.now() - lateStart;
  await settle(late.dueAfterMs + 30_000);
  const lateLeft = undelivered();
  const calledBack = [...journeys.values()].flatMap(({ calledBackAt }) => calledBackAt ?? []);
  const [first, last] = [Math.min(...calledBack), Math.max(...calledBack)];
  const lateName = `late codes, ${late.requests} due at ${late.duePerSecond}/s`;
  results.push(
    { name: lateName, metric: 'all accepted', unit: 'ms', value: round(lateAcceptedMs) },
    { name: lateName, metric: 'called back', unit: '1/s', value: round(calledBack.length / ((last - first) / 1_000)) },
    { name: lateName, metric: 'undelivered 30 s after', unit: 'requests', value: lateLeft },
  );
  const value = (name: string, metric: string) =>
    results.find((result) => result.name.startsWith(name) && result.metric === metric)?.value ?? Number.NaN;
  return {
    results,
    bounds: [
      atMost('acceptance to subscriber p50', value('acceptance to subscriber', 'p50'), 20),
      atMost('acceptance to subscriber p99', value('acceptance to subscriber', 'p99'), 75),
      atMost('acceptance to callback p50', value('acceptance to callback', 'p50'), 20),
      atMost('acceptance to callback p99', value('acceptance to callback', 'p99'), 75),
      {
        name: 'accepted a second, at least',
        limit: 400,
        value: value('load,', 'accepted'),
        ok: value('load,', 'accepted') >= 400,
      },
      atMost('undelivered 10 s after the load', left, 0),
      atMost('burst delivered, ms', round(allMs), 10_000),
      atMost('late codes undelivered 30 s after', lateLeft, 0),
    ],
  };
}

function acceptedAtMs(index: number): number {
  return (index * 1_000) / late.acceptedPerSecond;
}

function dueAtMs(index: number): number {
  return (index * 1_000) / late.duePerSecond;
}

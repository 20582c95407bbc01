import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startIssuer, type TestUser } from '@voucher-gateway/platform/testing/tokens';
import { startEngines } from '@voucher-gateway/standalone/engines/engines';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import { Redis } from 'ioredis';
import { Kafka, logLevel, type Message, type Producer } from 'kafkajs';
import WebSocket from 'ws';
import { type Bound, latencies, type Report, type Result, round } from './report.ts';

const connectionCounts = (process.env.BENCH_CONNECTIONS ?? '100,1000,10000').split(',').map(Number);
const rates = (process.env.BENCH_RATES ?? '200,1000').split(',').map(Number);
const seconds = Number(process.env.BENCH_SECONDS ?? 10);
const settleMs = 3_000;
const topic = 'receive-code';
const query = 'subscription { voucherReceived { cursor node { requestId code } } }';

/**
 * One gateway process, real Kafka and Redis, N WebSockets with a subscription and a phone number each, and events at a
 * steady rate, each for one of them: how long from the broker to the client, what an event costs the gateway in CPU,
 * and what a connection costs it in memory.
 */
export async function subscriptions(): Promise<Report> {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-bench-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const engines = releases.use(await startEngines({ folder, standardPorts: false }));
  const { KAFKA_BROKERS = '', REDIS_URL = '' } = engines.environment;
  const issuer = releases.use(await startIssuer());
  const redis = new Redis(REDIS_URL);
  releases.defer(() => redis.disconnect());
  const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  const results: Result[] = [];
  const bounds: Bound[] = [];
  const cpuAt = new Map<string, number>();

  for (const count of connectionCounts) {
    await using run = new AsyncDisposableStack();
    const gateway = run.use(
      await startGateway({
        ...engines.environment,
        JWKS_URL: issuer.jwksUrl,
        SUBGRAPH_USER_URL: 'http://127.0.0.1:9/graphql',
        SUBGRAPH_VOUCHER_URL: 'http://127.0.0.1:9/graphql',
        SUBGRAPH_DELIVERY_URL: 'http://127.0.0.1:9/graphql',
        NODE_ENV: 'production',
        LOG_LEVEL: 'warn',
      }),
    );
    await producer.connect();
    const users: TestUser[] = [];
    for (let index = 0; index < count; index += 1) {
      const user = await issuer.user();
      await redis.set(`session:${user.sid}`, JSON.stringify({ userId: user.userId, kid: issuer.kid }), 'PX', 3_600_000);
      users.push(user);
    }
    const idleBytes = gateway.rssBytes();
    const latenciesMs: number[] = [];
    const onEvent = (sentAt: number) => latenciesMs.push(performance.now() - sentAt);
    for (let index = 0; index < count; index += 50)
      await Promise.all(
        users.slice(index, index + 50).map(async (user) => run.use(await listen(gateway.url, user, onEvent))),
      );
    await sleep(settleMs);
    const name = `${count} connections`;
    const perConnection = (gateway.rssBytes() - idleBytes) / count / 1_024;
    results.push({ name, metric: 'RSS a connection', unit: 'KiB', value: round(perConnection) });

    for (const rate of rates) {
      await publishSteadily(producer, users, rate, 2);
      await sleep(500);
      latenciesMs.length = 0;
      const cpuBefore = gateway.cpuMs();
      const sent = await publishSteadily(producer, users, rate, seconds);
      for (let waited = 0; latenciesMs.length < sent && waited < 10_000; waited += 50) await sleep(50);
      const cpuPerEvent = ((gateway.cpuMs() - cpuBefore) / sent) * 1_000;
      const at = `${name}, ${rate} events/s`;
      cpuAt.set(`${count}/${rate}`, cpuPerEvent);
      results.push(
        ...latencies(at, latenciesMs),
        { name: at, metric: 'CPU an event', unit: 'µs', value: round(cpuPerEvent) },
        { name: at, metric: 'missing', unit: 'events', value: sent - latenciesMs.length },
      );
      bounds.push({
        name: `${at}: missing`,
        limit: 0,
        value: sent - latenciesMs.length,
        ok: sent === latenciesMs.length,
      });
    }
    if (count >= 10_000)
      bounds.push({
        name: `${name}: KiB a connection`,
        limit: 15,
        value: round(perConnection),
        ok: perConnection < 15,
      });
  }
  await producer.disconnect();

  const value = (name: string, metric: string) =>
    results.find((result) => result.name === name && result.metric === metric)?.value ?? Number.NaN;
  const most = (name: string, got: number, limit: number): Bound => ({ name, limit, value: got, ok: got <= limit });
  if (connectionCounts.includes(10_000) && rates.includes(200)) {
    bounds.push(
      most('10,000 connections, 200/s: p50', value('10000 connections, 200 events/s', 'p50'), 10),
      most('10,000 connections, 200/s: p99', value('10000 connections, 200 events/s', 'p99'), 50),
    );
    const ratio = (cpuAt.get('10000/200') ?? Number.NaN) / (cpuAt.get('100/200') ?? Number.NaN);
    if (connectionCounts.includes(100)) bounds.push(most('CPU an event, 10,000 connections to 100', round(ratio), 1.3));
  }
  return { results, bounds };
}

/** Publishes to users taken in turn, at a steady rate; resolves with how many once all are acknowledged. */
async function publishSteadily(producer: Producer, users: readonly TestUser[], rate: number, forSeconds: number) {
  const startedAt = performance.now();
  const running: Promise<unknown>[] = [];
  const total = rate * forSeconds;
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedAt) / 1_000) * rate));
    const messages: Message[] = [];
    for (; sent < due; sent += 1) {
      const user = users[Math.floor(Math.random() * users.length)];
      if (user) messages.push(messageFor(user));
    }
    if (messages.length > 0) running.push(producer.send({ topic, messages, acks: -1 }));
    await sleep(1);
  }
  await Promise.all(running);
  return sent;
}

function messageFor({ phoneNumber, userId }: TestUser): Message {
  const at = new Date().toISOString();
  return {
    key: phoneNumber,
    value: JSON.stringify({
      id: randomUUID(),
      requestId: randomUUID(),
      // When it was given to the broker, by this process's clock.
      code: String(performance.now()),
      phoneNumber,
      status: 'SUCCESS',
      requestedAt: at,
      receivedAt: at,
      owner: { id: userId },
    }),
  };
}

/** A client that does no more than it must; resolves once its subscription stands. */
async function listen(url: string, { token }: TestUser, onEvent: (sentAt: number) => void): Promise<AsyncDisposable> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const say = (message: object) => socket.send(JSON.stringify(message));
  await once(socket, 'open');
  const answers = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code, reason) => reject(new Error(`closed: ${code} ${reason}`)));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'connection_ack') {
        say({ id: 'events', type: 'subscribe', payload: { query } });
        // A socket's messages are handled in order: once this is answered, the subscription stands.
        say({ type: 'ping' });
      } else if (message.type === 'pong') resolve();
      else if (message.type === 'next') onEvent(Number(message.payload.data.voucherReceived.node.code));
      else if (message.type === 'error') reject(new Error(JSON.stringify(message.payload)));
    });
  });
  say({ type: 'connection_init', payload: { authorization: token } });
  await answers;
  return { [Symbol.asyncDispose]: async () => socket.terminate() };
}

/** The gateway as its own process, as `npm run start:gateway` runs it. */
async function startGateway(environment: Record<string, string>) {
  const port = await freePort(0);
  const entry = fileURLToPath(new URL('../../gateway/src/main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--max-semi-space-size=4', entry], {
    env: { ...process.env, ...environment, PORT: String(port), DRAIN_WINDOW: '1ms' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  while (
    !(await fetch(`${url}/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error('the gateway did not start');
    await sleep(50);
  }
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
  return {
    url,
    rssBytes: () => Number(/VmRSS:\s+(\d+)/.exec(proc('status'))?.[1]) * 1_024,
    /** User and system time since its start; a tick is 10 ms. */
    cpuMs() {
      const fields = proc('stat').split(') ')[1]?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

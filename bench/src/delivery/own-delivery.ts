import { fileURLToPath } from 'node:url';
import { startIssuer } from '@voucher-gateway/platform/testing/tokens';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import { nodeOptions } from '@voucher-gateway/standalone/node-options';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import type { VoucherEvent } from '../load/voucher-event.ts';
import { startMeasured } from '../processes/measured-process.ts';
import { readCpuMs } from '../processes/process-cpu.ts';
import { startTemporaryEngines } from '../processes/temporary-engines.ts';

const entry = fileURLToPath(new URL('../../../subgraphs/delivery/src/main.ts', import.meta.url));
const urlMs = 3_600_000;

/** One delivery process on PostgreSQL, Redis and Kafka. */
export interface OwnDelivery extends AsyncDisposable {
  /** Publishes codes whose requests have a callbackUrl. Resolves once Kafka has them. */
  publish(codes: readonly { event: VoucherEvent; callbackUrl: string }[]): Promise<void>;
  /** Number of callbacks that wait for an attempt. The number may be a few seconds out of date. */
  waiting(): Promise<number>;
  /** CPU time of each process so far, in milliseconds. The keys are process names. */
  cpuMs(): Map<string, number>;
}

/** @param nameServer address of the DNS server that resolves the host names of callback URLs */
export async function startOwnDelivery({ nameServer }: { nameServer: string }): Promise<OwnDelivery> {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await startTemporaryEngines());
  const { KAFKA_BROKERS = '', REDIS_URL = '' } = engines.environment;
  const issuer = releases.use(await startIssuer());
  const port = await freePort(0);
  const delivery = releases.use(
    await startMeasured({
      name: 'delivery',
      args: [...nodeOptions, entry],
      environment: {
        ...engines.environment,
        PORT: String(port),
        JWKS_URL: issuer.jwksUrl,
        SMS: 'off',
        CALLBACK_ALLOW_LOOPBACK: 'true',
        CALLBACK_DNS_SERVERS: nameServer,
        RATE_LIMITS: 'off',
        SHUTDOWN_DELAY: '0s',
        LOG_LEVEL: 'error',
      },
      port,
      readyPath: '/health/ready',
      // The processes in the benchmark `pipeline` are not pinned to a core either.
      pinned: false,
    }),
  );
  const redis = new Redis(REDIS_URL);
  releases.defer(() => redis.disconnect());
  const producer = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING }).producer({
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  releases.defer(() => producer.disconnect());
  const owned = releases.move();
  return {
    async publish(codes) {
      const writes = redis.pipeline();
      // Stores the callback URLs, because no voucher service runs here. In the product, the voucher service stores
      // them.
      for (const { event, callbackUrl } of codes)
        writes.set(`callback-url:${event.requestId}`, JSON.stringify({ callbackUrl }), 'PX', urlMs);
      await writes.exec();
      await producer.send({
        topic: 'receive-code',
        messages: codes.map(({ event }) => ({ key: event.phoneNumber, value: JSON.stringify(event) })),
        acks: -1,
      });
    },
    async waiting() {
      const text = await (await fetch(`${delivery.url}/metrics`)).text();
      return Number(/^delivery_waiting\{channel="callback"\} (\d+)/m.exec(text)?.[1] ?? 0);
    },
    cpuMs: () =>
      readCpuMs({
        client: process.pid,
        delivery: delivery.pid,
        PostgreSQL: engines.postgres.process.pid,
        Kafka: engines.kafka.process.pid,
        Redis: engines.redis.process.pid,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

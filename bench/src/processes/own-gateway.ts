import { fileURLToPath } from 'node:url';
import { startIssuer, type TestUser } from '@voucher-gateway/platform/testing/tokens';
import { freePort } from '@voucher-gateway/standalone/engines/process';
import { nodeOptions } from '@voucher-gateway/standalone/node-options';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import type { Publish } from '../load/steady-load.ts';
import { type MeasuredProcess, type MeasuredProcessOptions, startMeasured } from './measured-process.ts';
import { startTemporaryEngines } from './temporary-engines.ts';

const entry = (file: string) => fileURLToPath(new URL(`../../../gateway/src/${file}`, import.meta.url));
const sessionMs = 3_600_000;

/** Options of a gateway's process; see {@link MeasuredProcessOptions}. Default: pinned. */
export type StartOptions = Partial<Pick<MeasuredProcessOptions, 'onLog' | 'pinned'>>;

/** Starts our gateway with Kafka, Redis and signed-in users. No subgraphs run. */
export interface OwnGateway extends AsyncDisposable {
  /** Creates users, each with a session. */
  signIn(count: number): Promise<TestUser[]>;
  /**
   * Starts a gateway like `npm run start:gateway` in production. Stop the previous gateway first, so that only one
   * gateway runs at a time.
   */
  start(environment?: Record<string, string>, options?: StartOptions): Promise<MeasuredProcess>;
  /** Starts a gateway without Kafka, to which this process sends the events. */
  startFromMemory(): Promise<MeasuredProcess>;
  /** Address of Kafka, `host:port`. */
  readonly brokers: string;
  /** Publishes to the topic of `voucherReceived`. */
  publish: Publish;
}

export async function openOwnGateway(): Promise<OwnGateway> {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await startTemporaryEngines());
  const { KAFKA_BROKERS = '', REDIS_URL = '' } = engines.environment;
  const issuer = releases.use(await startIssuer());
  const redis = new Redis(REDIS_URL);
  releases.defer(() => redis.disconnect());
  const producer = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING }).producer({
    allowAutoTopicCreation: false,
  });
  releases.defer(() => producer.disconnect());
  const owned = releases.move();

  const startGateway = async (
    file: string,
    {
      environment = {},
      ...options
    }: StartOptions & Pick<MeasuredProcessOptions, 'takesMessages'> & { environment?: Record<string, string> },
  ) => {
    const port = await freePort(0);
    return startMeasured({
      name: 'the gateway',
      args: [...nodeOptions, entry(file)],
      environment: {
        ...engines.environment,
        PORT: String(port),
        DRAIN_WINDOW: '1ms',
        // The limits per address are off, because all clients of the benchmark have the same address.
        MAX_CONNECTIONS_PER_ADDRESS: 'off',
        MAX_ANONYMOUS_CONNECTIONS_PER_ADDRESS: 'off',
        MAX_HTTP_CONNECTIONS_PER_ADDRESS: 'off',
        JWKS_URL: issuer.jwksUrl,
        SUBGRAPH_USER_URL: 'http://127.0.0.1:9/graphql',
        SUBGRAPH_VOUCHER_URL: 'http://127.0.0.1:9/graphql',
        SUBGRAPH_DELIVERY_URL: 'http://127.0.0.1:9/graphql',
        LOG_LEVEL: 'warn',
        ...environment,
      },
      port,
      readyPath: '/health/ready',
      pinned: true,
      ...options,
    });
  };

  return {
    brokers: KAFKA_BROKERS,
    async signIn(count) {
      const users: TestUser[] = [];
      for (let index = 0; index < count; index += 1) {
        const user = await issuer.user();
        await redis.set(
          `session:${user.sid}`,
          JSON.stringify({ userId: user.userId, kid: issuer.kid }),
          'PX',
          sessionMs,
        );
        users.push(user);
      }
      return users;
    },
    async start(environment = {}, options = {}) {
      const gateway = await startGateway('main.ts', { environment, ...options });
      // The producer connects after the gateway has created the topic.
      await producer.connect();
      return gateway;
    },
    startFromMemory: () => startGateway('testing/memory-fed-main.ts', { takesMessages: true }),
    publish: (events) =>
      producer.send({
        topic: 'receive-code',
        messages: events.map((event) => ({ key: event.phoneNumber, value: JSON.stringify(event) })),
        acks: -1,
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

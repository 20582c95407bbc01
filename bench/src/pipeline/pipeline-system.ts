import { join } from 'node:path';
import { createDistributedStack, serviceNames } from '@voucher-gateway/standalone/distributed';
import { startTemporaryEngines } from '../processes/temporary-engines.ts';
import { createJourneys, type Journeys } from './journeys.ts';
import { type Customer, openApi, startReceiver, subscribe } from './pipeline-clients.ts';

const customers = 50;

/** The response of the simulated provider to the next `times` requests. */
interface ProviderInstruction {
  delayMs?: number;
  /** With `error`, the provider responds with status 500. */
  fault?: 'error';
  times: number;
}

/** All services and real engines on this machine, with customers who have a callback URL and a subscription. */
export interface PipelineSystem extends AsyncDisposable {
  /** The requests since the last `clear`. */
  readonly journeys: Journeys;
  /** Requests a voucher for the next customer in turn. Resolves with the time to its acceptance, in milliseconds. */
  request(): Promise<number>;
  instructProvider(instruction: ProviderInstruction): Promise<void>;
  /** Drops the instructions that the provider has not used yet. */
  clearInstructions(): Promise<void>;
  /** Ids of all processes, by name. */
  pids(): Record<string, number | undefined>;
}

export async function openPipelineSystem(): Promise<PipelineSystem> {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await startTemporaryEngines());
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
      logFile: join(engines.folder, 'services.log'),
    }),
  );
  const api = releases.use(await openApi(stack.gatewayUrl));
  const journeys = createJourneys();
  const receiver = releases.use(await startReceiver((requestId) => journeys.arrived(requestId, 'calledBackAt')));
  const people: Customer[] = [];
  for (let index = 0; index < customers; index += 1) people.push(await api.signUp(index));
  const socketUrl = `${stack.gatewayUrl.replace('http', 'ws')}/graphql`;
  for (const person of people)
    releases.use(await subscribe(socketUrl, person, (requestId) => journeys.arrived(requestId, 'streamedAt')));
  const owned = releases.move();

  let turn = 0;
  return {
    journeys,
    async request() {
      const person = people[turn++ % people.length];
      if (!person) throw new Error('there are no customers');
      const startedAt = performance.now();
      const requestId = await api.requestVoucher(person.token, receiver.url);
      const acceptedAt = performance.now();
      journeys.accepted(requestId, acceptedAt);
      return acceptedAt - startedAt;
    },
    async instructProvider(instruction) {
      const response = await fetch(`${stack.vpsUrl}/control/next`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(instruction),
      });
      await response.text();
    },
    async clearInstructions() {
      await fetch(`${stack.vpsUrl}/control/next`, { method: 'DELETE' });
    },
    pids: () => ({
      client: process.pid,
      PostgreSQL: engines.postgres.process.pid,
      Kafka: engines.kafka.process.pid,
      Redis: engines.redis.process.pid,
      ...Object.fromEntries(serviceNames.map((name) => [name, stack.pidOf(name)])),
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

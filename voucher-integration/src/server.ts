import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { startHousekeeping } from '@voucher-gateway/platform/database/housekeeping';
import { listen } from '@voucher-gateway/platform/http/listen';
import { createReadiness } from '@voucher-gateway/platform/http/readiness';
import { createHttpServer, httpLimitsOf } from '@voucher-gateway/platform/http/server';
import type { Jobs } from '@voucher-gateway/platform/jobs';
import type { Service } from '@voucher-gateway/platform/process/lifecycle';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createStopStage, stopLimits } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { responsePath } from '@voucher-gateway/schema/vps-protocol';
import { createAsk } from './ask.ts';
import { askAgain, askAgainIdOf } from './ask-again.ts';
import { addCallbackRoute } from './callback-route.ts';
import type { IntegrationConfig } from './config.ts';
import { integrationMigrations } from './migrations.ts';
import { createProvider } from './provider.ts';
import { integrationRetentions } from './retention.ts';
import { createStore } from './store.ts';

export interface VoucherIntegrationOptions {
  config: IntegrationConfig;
  /** Name of the setting that chose the port. Default: `PORT`. */
  portSetting?: string;
  log: Log;
  clock: Clock;
  database: Database;
  topics: Topics;
  jobs: Jobs;
}

export interface VoucherIntegration extends Service {
  /**
   * Number of codes that arrived after their requests had failed, since the service started. These codes are bought,
   * but not published.
   */
  readonly unclaimed: number;
}

/**
 * The time-out of a job is VPS_TIMEOUT plus this margin, in milliseconds. The margin is for waiting until the request
 * can be sent, and for storing the answer.
 */
const jobMarginMs = 25_000;

/** Starts voucher-integration: `request-code` → the provider → `receive-code` or `request-failed`. */
export async function createVoucherIntegration(options: VoucherIntegrationOptions): Promise<VoucherIntegration> {
  const { config, portSetting = 'PORT', log, clock, database, topics, jobs } = options;
  await using releases = new AsyncDisposableStack();
  let unclaimed = 0;
  await database.migrate(integrationMigrations);
  const askQueue = { ...askAgain, timeoutMs: config.VPS_TIMEOUT + jobMarginMs };
  await jobs.declare(askQueue);
  const store = createStore({
    database,
    topics,
    jobs,
    onUnclaimed(requestId) {
      unclaimed += 1;
      log.error({ requestId }, 'received a code for a request that has failed: it is bought and unclaimed');
    },
  });

  const provider = releases.use(
    createProvider({ url: config.VPS_URL, timeoutMs: config.VPS_TIMEOUT, clock, concurrency: config.VPS_CONCURRENCY }),
  );
  // Everything in this stage stops concurrently. Otherwise the job worker would start new requests while the consumer
  // stops.
  const work = releases.use(createStopStage({ withinMs: stopLimits.workMs, log }));
  work.use(startHousekeeping({ database, clock, log, retentions: integrationRetentions(config) }));
  const readiness = createReadiness({ required: { database: database.ping }, reported: { topics: topics.ping } });
  const app = createHttpServer({
    log,
    bodyLimitBytes: 65_536,
    statusOf,
    readiness,
    failures: topics.failures,
    limits: httpLimitsOf(config),
  });
  work.defer(() => app.close());
  addCallbackRoute(app, { database, store, log });
  const url = await listen(app, { host: config.HOST, port: config.PORT, setting: portSetting });

  const publicUrl = config.INTEGRATION_PUBLIC_URL ?? url;
  const ask = createAsk({
    config,
    database,
    log,
    provider,
    store,
    callbackUrlOf: (requestId) => `${publicUrl}${responsePath}?request=${requestId}`,
  });

  work.use(
    await jobs.work(
      askQueue,
      async ({ requestId, attempts }, { signal }) => {
        const request = await store.read(requestId);
        // If the number of attempts has changed, another job has replaced this job.
        if (request?.status === 'WAITING' && request.attempts === (attempts ?? request.attempts))
          await ask(request, signal);
      },
      { concurrency: config.VPS_CONCURRENCY },
    ),
  );
  work.use(
    await topics.consume({
      topic: schemaTopics.requestCode,
      group: 'voucher-integration',
      concurrency: config.VPS_CONCURRENCY,
      // The message counts as consumed once the provider's answer is stored. After a crash the request is sent again,
      // with the same idempotency key.
      handler: async ({ value }, { signal }) => {
        const request = await store.open(value);
        if (request.status !== 'WAITING') return;
        if (request.attempts === 0) return await ask(request, signal);
        // A request that was sent before should already have its retry job. The job is scheduled again, because it may
        // be lost. If the job exists, nothing changes, because both jobs have the same id.
        const { requestId, attempts } = request;
        const delayMs = config.VPS_RETRY_BASE;
        await database.transaction((tx) =>
          jobs.schedule(tx, askAgain, { requestId, attempts }, { id: askAgainIdOf(request), delayMs }),
        );
      },
    }),
  );
  const owned = releases.move();
  return {
    url,
    retire: readiness.retire,
    get unclaimed() {
      return unclaimed;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

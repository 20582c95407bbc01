import { randomUUID } from 'node:crypto';
import { createTestClock, systemClock } from '@voucher-gateway/platform/async/clock';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEnginesWithJobs } from '@voucher-gateway/platform/testing/engines';
import { openServiceHarness } from '@voucher-gateway/platform/testing/service-harness';
import { type RequestCode, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { responsePath } from '@voucher-gateway/schema/vps-protocol';
import { createVpsMock, type VpsMockOptions } from '@voucher-gateway/vps-mock/server';
import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { askAgain } from '../ask-again.ts';
import { integrationSettings } from '../config.ts';
import { integrationMigrations } from '../migrations.ts';
import { createVoucherIntegration } from '../server.ts';

const quick = { VPS_RETRY_BASE: '20ms', VPS_RETRY_MAX: '50ms', VPS_SILENCE_AFTER: '50ms' };

export interface TestIntegrationOptions {
  settings?: Environment;
  provider?: VpsMockOptions;
  /** Whether time is stopped until the test advances `clock`. Default: false. */
  frozen?: boolean;
}

/** Starts voucher-integration with a simulated provider. The test acts as the other services. */
export async function startTestIntegration({
  settings = {},
  provider = {},
  frozen = false,
}: TestIntegrationOptions = {}) {
  await using releases = new AsyncDisposableStack();
  const testClock = createTestClock();
  const clock = frozen ? testClock : systemClock;
  const vps = releases.use(await createVpsMock({ clock, profile: 'fast', ...provider }));
  const harness = releases.use(
    await openServiceHarness({
      openEngines: openTestEnginesWithJobs,
      create: createVoucherIntegration,
      config: readConfig(integrationSettings, { PORT: '0', VPS_URL: vps.url, ...quick, ...settings }),
      migrations: [integrationMigrations],
      clock,
    }),
  );
  const { engines, log } = harness;
  const outcomes = await harness.collect(schemaTopics.receiveCode, schemaTopics.requestFailed);
  const acknowledgements = await harness.collect(schemaTopics.requestAcknowledged);
  const owned = releases.move();
  return {
    clock: testClock,
    vps,
    engines,
    log,
    restart: harness.restart,
    get service() {
      return harness.service;
    },
    get url() {
      return harness.url;
    },
    get outcomes() {
      return outcomes.values;
    },
    /** Waits for `count` outcomes, and returns them. */
    async outcome(count = 1) {
      await outcomes.atLeast(count);
      return outcomes.values;
    },
    /** Waits for `count` messages of `request-acknowledged`, and returns the messages so far. */
    acknowledgements: acknowledgements.atLeast,
    /** The lines of level `error` that the service logged. */
    get alarms() {
      const lines = log.text.split('\n').filter((line) => line.includes('"level":"error"'));
      return lines.map((line) => JSON.parse(line));
    },
    async publish(over: Partial<RequestCode> = {}): Promise<RequestCode> {
      const message = {
        requestId: randomUUID(),
        userId: randomUUID(),
        phoneNumber: '+84909123456',
        callbackUrl: null,
        requestedAt: new Date(clock.now()).toISOString(),
        ...over,
      };
      await harness.publish(schemaTopics.requestCode, message);
      return message;
    },
    async callback(requestId: string | null, body: object) {
      const response = await fetch(
        `${harness.url}${responsePath}${requestId === null ? '' : `?request=${requestId}`}`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ status: 'SUCCESS', voucherCode: 'CODE-1', message: 'ready', ...body }),
        },
      );
      return { ...((await response.json()) as { code?: string }), status: response.status };
    },
    /** Number of jobs that retry requests, including completed ones. */
    askAgainJobs: async () =>
      (await engines.database.query.execute(sql`select * from pgboss.job where name = ${askAgain.name}`)).rows.length,
    row: async (requestId: string) =>
      (await engines.database.query.execute(sql`select * from provider_request where request_id = ${requestId}`))
        .rows[0],
    /** Waits until the provider's acknowledgement is stored. */
    acknowledged: (requestId: string) =>
      expect
        .poll(
          async () =>
            (
              await engines.database.query.execute(
                sql`select 1 from provider_request where request_id = ${requestId} and challenges <> '[]'`,
              )
            ).rows.length,
        )
        .toBe(1),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import { untilSettled } from '@voucher-gateway/platform/async/until-settled';
import type { Database } from '@voucher-gateway/platform/database';
import { formatGauges, type Gauge } from '@voucher-gateway/platform/http/gauges';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { sql } from 'drizzle-orm';
import type { Admission } from './endpoints/admission.ts';
import { smsEndpointId } from './endpoints/endpoint.ts';
import { delivery, endpoint } from './tables.ts';

/** Counts from the database are reused for this time, so that many scrapes cost the database little. */
const countedMs = 10_000;
/**
 * Limit of the time for which a scrape waits for the database. After this time, the response has no counts from the
 * database. Prometheus gives up after 10 s by default.
 */
const waitMs = 5_000;

/**
 * Creates the function that returns the text of `/metrics`. Some gauges are about this process. The other gauges are
 * counts from the database, which all processes share. While the database is unavailable or slow, the counts are
 * missing.
 */
export function createGauges({
  database,
  admission,
  clock,
  log,
}: {
  database: Database;
  admission: Pick<Admission, 'report'>;
  clock: Clock;
  log: Log;
}): () => Promise<string> {
  const lines = createRepeatedLines(log);
  let latest: Count | null = null;

  const count = async (): Promise<Gauge[]> => {
    const now = new Date(database.now()).toISOString();
    const { rows: queues } = await database.query.execute<Queue>(sql`
      select case d.endpoint_id when ${smsEndpointId} then 'sms' else 'callback' end as channel, count(*)::int as waiting,
        (count(*) filter (where d.next_attempt_at <= ${now}))::int as due,
        greatest(extract(epoch from ${now}::timestamptz - min(d.next_attempt_at)), 0)::float as "oldestDue"
      from ${delivery} d where d.status = 'PENDING' and not d.running group by 1`);
    const { rows: endpoints } = await database.query.execute<Endpoints>(sql`
      select (count(*) filter (where disabled_at is null and failing_since is null))::int as active,
        (count(*) filter (where disabled_at is null and failing_since is not null))::int as failing,
        (count(*) filter (where disabled_at is not null))::int as disabled
      from ${endpoint}`);
    const perChannel = (read: (queue: Queue) => number) => ({
      label: 'channel',
      values: Object.fromEntries(
        (['callback', 'sms'] as const).map((channel) => {
          const queue = queues.find((each) => each.channel === channel);
          return [channel, queue ? read(queue) : 0];
        }),
      ),
    });
    const { active = 0, failing = 0, disabled = 0 } = endpoints[0] ?? {};
    return [
      {
        name: 'delivery_waiting',
        help: 'Deliveries that wait for their next attempt, of all processes.',
        value: perChannel(({ waiting }) => waiting),
      },
      {
        name: 'delivery_due',
        help: 'Those of them that are due, and wait for capacity, of all processes.',
        value: perChannel(({ due }) => due),
      },
      {
        name: 'delivery_oldest_due_seconds',
        help: 'How long the oldest due delivery waits, of all processes.',
        value: perChannel(({ oldestDue }) => oldestDue),
      },
      {
        name: 'delivery_endpoints',
        help: 'Endpoints by state, of all processes.',
        value: { label: 'state', values: { active, failing, disabled } },
      },
    ];
  };

  const startCount = (atMs: number) => {
    const started: Count = { atMs, gauges: null, ended: Promise.resolve() };
    started.ended = count()
      .catch((error: unknown) => {
        lines.warn('count', { error }, 'pending deliveries could not be counted');
        return [];
      })
      .then((gauges) => {
        started.gauges = gauges;
      });
    return started;
  };

  return async () => {
    const nowMs = clock.now();
    // Only one count runs at a time. Otherwise each scrape would add a count to a slow database.
    if (!latest || (latest.gauges && Math.abs(nowMs - latest.atMs) >= countedMs)) latest = startCount(nowMs);
    const shared = latest;
    using timeout = timeoutSignal(clock, waitMs);
    await untilSettled(shared.ended, timeout);
    if (!shared.gauges) lines.warn('wait', { waitMs }, 'pending deliveries were not counted in time');
    const { running, broken, paused } = admission.report();
    return formatGauges([
      {
        name: 'delivery_attempts_in_progress',
        help: 'Attempts in progress in this process.',
        value: running,
      },
      {
        name: 'delivery_endpoints_held_back',
        help: 'Endpoints to which this process makes few attempts or none.',
        value: { label: 'reason', values: { breaker: broken, pause: paused } },
      },
      ...(shared.gauges ?? []),
    ]);
  };
}

/** A count of the waiting deliveries in the database. Several scrapes share one count. */
interface Count {
  atMs: number;
  /** The counted gauges; null until the count has ended. */
  gauges: Gauge[] | null;
  /** Never rejects. */
  ended: Promise<void>;
}

interface Queue extends Record<string, unknown> {
  channel: 'callback' | 'sms';
  waiting: number;
  due: number;
  /** Age of the oldest due delivery, in seconds. */
  oldestDue: number;
}

interface Endpoints extends Record<string, unknown> {
  active: number;
  failing: number;
  disabled: number;
}

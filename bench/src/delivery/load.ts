import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../load/steady-load.ts';
import { type Addressee, voucherEvent } from '../load/voucher-event.ts';
import { percentile } from '../report.ts';
import type { OwnDelivery } from './own-delivery.ts';

/** A user with a receiver. */
export interface Endpoint extends Addressee {
  name: string;
  url: string;
}

/** The measurements of a phase. Only callbacks to endpoints for which the option `counts` returns true are measured. */
export interface Phase {
  /** Times from the publication of a code to its callback, in milliseconds. */
  timesMs: number[];
  /** Time from the first publication to the last callback, in milliseconds. */
  tookMs: number;
  /** Number of callbacks that did not arrive. */
  missing: number;
}

/** Publishes codes, and records when their callbacks arrive. */
export interface Load {
  /** Records a callback. Returns whether it was awaited. */
  arrived(voucherId: string): boolean;
  /**
   * Publishes codes for the endpoints, one endpoint after the other. Waits for the callbacks to the endpoints for which
   * `counts` returns true.
   * @param rate codes per second; null for as many as possible
   */
  run(
    endpoints: readonly Endpoint[],
    options: { total: number; rate: number | null; counts?: (endpoint: Endpoint) => boolean; settleMs: number },
  ): Promise<Phase>;
}

const batch = 500;

export function createLoad(publish: () => OwnDelivery['publish']): Load {
  /** The publishing times of codes whose callback has not arrived yet. The keys are voucher ids. */
  const published = new Map<string, number>();
  let timesMs: number[] = [];
  let lastAt = 0;
  return {
    arrived(voucherId) {
      const at = published.get(voucherId);
      // Delivery is at least once, so a second callback of a voucher does not count.
      if (at === undefined || !published.delete(voucherId)) return false;
      lastAt = performance.now();
      timesMs.push(lastAt - at);
      return true;
    },
    async run(endpoints, { total, rate, counts = () => true, settleMs }) {
      published.clear();
      timesMs = [];
      const startedAt = performance.now();
      const running: Promise<unknown>[] = [];
      for (let sent = 0; sent < total; ) {
        const due =
          rate === null
            ? Math.min(total, sent + batch)
            : Math.min(total, Math.ceil(((performance.now() - startedAt) / 1_000) * rate));
        const codes = [];
        for (; sent < due; sent += 1) {
          const endpoint = endpoints[sent % endpoints.length] as Endpoint;
          const event = voucherEvent(endpoint, 'CODE');
          if (counts(endpoint)) published.set(event.id, performance.now());
          codes.push({ event, callbackUrl: endpoint.url });
        }
        if (codes.length > 0) running.push(publish()(codes));
        await (rate === null ? running.at(-1) : sleep(1));
      }
      await Promise.all(running);
      await within(settleMs, () => published.size === 0);
      return { timesMs, tookMs: lastAt - startedAt, missing: published.size };
    },
  };
}

/** Returns `count` made-up users, each with its own callback URL. */
export function createEndpoints(prefix: string, count: number, urlOf: (name: string) => string): Endpoint[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${prefix}${index}`;
    const number = String(Number.parseInt(randomUUID().slice(0, 6), 16)).padStart(8, '0');
    return { name, url: urlOf(name), userId: randomUUID(), phoneNumber: `+849${number}` };
  });
}

export function p99Of(...phases: readonly Phase[]): number {
  return percentile(
    phases.flatMap(({ timesMs }) => timesMs),
    0.99,
  );
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { SoakClient } from './client.ts';

export interface LoadOptions {
  clients: readonly SoakClient[];
  requestsPerSecond: number;
  durationMs: number;
  complain(what: string): void;
}

export interface Load {
  /** Number of requests that were not sent, because `maxUnanswered` requests had no response yet. */
  skipped: number;
  /** Resolves when all requests have a response. */
  answered: Promise<unknown>;
}

/** Maximum number of pending requests, to bound the memory of the clients. */
const maxUnanswered = 4_000;
/** One in `repeatEvery` requests is sent again after it was accepted, with the same idempotency key. */
const repeatEvery = 20;
/** One in `forbiddenEvery` requests is for another customer's phone number. */
const forbiddenEvery = 100;

/** Sends requests at a steady rate, independent of their responses. Resolves when the last request was sent. */
export async function runLoad({ clients, requestsPerSecond, durationMs, complain }: LoadOptions): Promise<Load> {
  const running = new Set<Promise<void>>();
  const clientAt = (index: number) => clients[index % clients.length] as SoakClient;
  const request = async (index: number) => {
    const client = clientAt(index);
    if (index % forbiddenEvery === 1)
      return void (await client.requestVoucher({ phoneNumber: clientAt(index + 1).phoneNumber }));
    const request = await client.requestVoucher();
    if (index % repeatEvery === 2) await client.repeat(request);
  };
  const startedAt = performance.now();
  const count = (requestsPerSecond * durationMs) / 1_000;
  let skipped = 0;
  for (let index = 0; index < count; index += 1) {
    await sleep(Math.max(0, startedAt + (index * 1_000) / requestsPerSecond - performance.now()));
    if (running.size >= maxUnanswered) {
      skipped += 1;
      continue;
    }
    const answered: Promise<void> = request(index)
      .catch((error: unknown) => complain(`a client failed: ${error}`))
      .finally(() => running.delete(answered));
    running.add(answered);
  }
  return { skipped, answered: Promise.all(running) };
}

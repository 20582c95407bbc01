import { randomUUID } from 'node:crypto';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import type { DistributedStack } from '@voucher-gateway/standalone/distributed';
import type { ServiceProcess } from '@voucher-gateway/standalone/service-process';
import { type Customer, startCustomer } from './customer.ts';
import { startFollower } from './follower.ts';

export interface ResumeRunOptions {
  /** Number of vouchers that the follower's customer requests. */
  events: number;
  /** Approximate number of times that the follower drops its connection. */
  reconnects: number;
  /**
   * Each time the follower has seen `killEvery` more vouchers, a gateway is killed. While another gateway restarts,
   * none is killed.
   */
  killEvery: number;
}

/** The events that a follower has seen, and those that are stored. */
export interface ResumeLedger {
  accepted: number;
  stored: number;
  seen: number;
  missing: number;
  repeated: number;
  outOfOrder: number;
  connections: number;
  /** Number of closed connections that the follower did not drop itself. */
  cutOff: number;
  kills: number;
  seconds: number;
  refusals: readonly string[];
}

/** If no event arrives for this time, the missing events count as lost. */
const quietMs = 20_000;

/** Starts replicas, and returns all gateways of a system. */
export async function gatewaysOf(system: DistributedStack, count: number): Promise<ServiceProcess[]> {
  const gateways: ServiceProcess[] = [system.services.gateway];
  while (gateways.length < count) gateways.push(await system.addReplica('gateway'));
  return gateways;
}

/**
 * Requests a voucher, and retries with the same key until a gateway responds, because a killed gateway loses its
 * responses.
 */
export async function requestSomehow(
  { token }: Customer,
  nextGateway: () => string,
): Promise<{ id: string; cursor: string }> {
  const idempotencyKey = randomUUID();
  const request = await waitFor(async () => {
    const answer = await postGraphql(
      `${nextGateway()}/graphql`,
      'mutation ($input: RequestVoucherInput!) { requestVoucher(input: $input) { id cursor } }',
      { input: { idempotencyKey } },
      token,
    ).catch(() => null);
    if (answer?.errors && answer.errors[0]?.extensions?.retryable !== true)
      throw new Error(`refused: ${JSON.stringify(answer.errors)}`);
    return answer?.data?.requestVoucher as { id: string; cursor: string } | null | undefined;
  });
  if (!request) throw new Error('no gateway has accepted the request');
  return request;
}

/** Ids of a customer's vouchers, in feed order. */
export async function storedVouchers({ token }: Customer, gatewayUrl: string): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | null = null; ; ) {
    const { data, errors } = await postGraphql(
      `${gatewayUrl}/graphql`,
      'query ($after: String) { purchasedVouchers(first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }',
      { after },
      token,
    );
    if (!data) throw new Error(`refused: ${JSON.stringify(errors)}`);
    const { nodes, pageInfo } = data.purchasedVouchers;
    ids.push(...nodes.map(({ id }: { id: string }) => id));
    if (!pageInfo.hasNextPage) return ids;
    after = pageInfo.endCursor;
  }
}

/**
 * Measures promise F (docs/reliability.md). A client follows its vouchers over three gateways and drops its connection at
 * random. At the same time one gateway after another is killed with `kill -9` and restarted.
 */
export async function runResume(system: DistributedStack, options: ResumeRunOptions): Promise<ResumeLedger> {
  const { events, reconnects, killEvery } = options;
  const startedAt = performance.now();
  const gateways = await gatewaysOf(system, 3);
  const any = () => gateways[Math.floor(Math.random() * gateways.length)]?.url ?? '';
  await using customer = await startCustomer(system);
  const first = await requestSomehow(customer, any);
  const kills: Promise<void>[] = [];
  let isRestarting = false;
  let seenSinceKill = 0;
  const restart = async (victim: ServiceProcess | undefined) => {
    isRestarting = true;
    await victim?.kill('SIGKILL');
    await victim?.start();
    isRestarting = false;
  };
  await using follower = startFollower({
    token: customer.token,
    after: first.cursor,
    nextGateway: any,
    // Number of events until the follower drops its connection: at least 1, and on average `events / reconnects`.
    patience: () => 1 + Math.floor(Math.random() * (2 * (events / reconnects) - 1)),
    onVoucher() {
      seenSinceKill += 1;
      if (isRestarting || seenSinceKill < killEvery) return;
      seenSinceKill = 0;
      const kill = restart(gateways[kills.length % gateways.length]);
      kill.catch(() => {});
      kills.push(kill);
    },
  });

  let accepted = 1;
  const requesting = Promise.all(
    Array.from({ length: 32 }, async () => {
      while (accepted < events) {
        accepted += 1;
        await requestSomehow(customer, any);
      }
    }),
  );
  await requesting;
  const count = () => follower.seen.length;
  await waitFor(() => count() >= events, { withinMs: quietMs, progress: count });
  await Promise.all(kills);

  // A voucher may be stored later than its event reaches the follower. So the test waits until all vouchers are stored.
  let stored: string[] = [];
  const readStored = async () => {
    stored = await storedVouchers(customer, system.gatewayUrl);
    return stored.length >= events;
  };
  await waitFor(readStored, { withinMs: quietMs });
  const { seen } = follower;
  const unique = new Set(seen);
  const places = new Map(stored.map((id, index) => [id, index]));
  return {
    accepted,
    stored: stored.length,
    seen: seen.length,
    missing: stored.filter((id) => !unique.has(id)).length,
    repeated: seen.length - unique.size,
    outOfOrder: seen.filter((id, index) => (places.get(id) ?? -1) < (places.get(seen[index - 1] ?? '') ?? -1)).length,
    connections: follower.connections,
    cutOff: [...follower.closed.values()].reduce((sum, count) => sum + count, 0),
    kills: kills.length,
    seconds: Math.round((performance.now() - startedAt) / 1_000),
    refusals: follower.refusals,
  };
}

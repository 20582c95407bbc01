import * as apolloClient from '@voucher-gateway/examples/apollo-client';
import * as eventSource from '@voucher-gateway/examples/event-source';
import * as graphqlWs from '@voucher-gateway/examples/graphql-ws';
import * as urql from '@voucher-gateway/examples/urql';
import type { WatchOptions } from '@voucher-gateway/examples/watch';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import { EventSource } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startCustomer } from '../customer.ts';

import type { System } from '../system.ts';
import { startEmbedded } from './system.ts';

// EventSource is a browser API that Node does not enable by default.
beforeAll(() => void vi.stubGlobal('EventSource', EventSource));
afterAll(() => void vi.unstubAllGlobals());

describe('examples: get every voucher once and in order over an unreliable network', () => {
  let system: System;
  beforeAll(async () => {
    system = await startEmbedded();
  });
  afterAll(() => system[Symbol.asyncDispose]());

  const examples: [string, (options: WatchOptions) => () => void][] = [
    ['graphql-ws', graphqlWs.watchVouchers],
    ['urql', urql.watchVouchers],
    ['Apollo Client', apolloClient.watchVouchers],
    ['EventSource', eventSource.watchVouchers],
  ];

  it.each(examples)('%s', async (_name, watchVouchers) => {
    await using customer = await startCustomer(system);
    await using proxy = await startTcpProxy(system.gatewayUrl);
    const seen: string[] = [];
    const waiting = new Set<() => void>();
    const until = (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => void (seen.length >= count && resolve());
        waiting.add(look);
        look();
      });
    const buy = async () => {
      await customer.instructProvider({ delayMs: 0 });
      const bought = await customer.requestVoucher();
      await customer.nextCallback();
      return bought.id;
    };
    await customer.instructProvider({ delayMs: 0 });
    const { id, cursor } = await customer.requestVoucher();
    await customer.nextCallback();
    using resources = new DisposableStack();
    resources.defer(
      watchVouchers({
        url: `${proxy.url}/graphql`,
        token: customer.token,
        after: cursor,
        onVoucher: ({ requestId }) => {
          seen.push(requestId);
          for (const look of waiting) look();
        },
      }),
    );
    await until(1);
    const bought = [id, await buy()];
    await until(2);
    proxy.cut();
    bought.push(await buy(), await buy());
    proxy.restore();
    await until(4);
    bought.push(await buy());
    await until(5);
    expect(seen).toEqual(bought);
    expect(proxy.taken).toBeGreaterThan(1);
  });
});

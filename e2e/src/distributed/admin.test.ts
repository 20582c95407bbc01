import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { realEngines } from '@voucher-gateway/platform/testing/real-engines';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import WebSocket from 'ws';
import { kidOf, runAdmin } from '../admin-command.ts';
import { type Customer, startCustomer } from '../customer.ts';
import { productionEnvironment } from '../production-environment.ts';
import { type DistributedSystem, startDistributed } from './system.ts';

describe('an operator’s commands', () => {
  let system: DistributedSystem;
  let secondGateway: string;
  const admin = (...words: string[]) =>
    runAdmin(
      {
        ...realEngines(),
        ...productionEnvironment,
        DATABASE_URL: system.databaseUrl,
        KAFKA_PREFIX: system.topicPrefix,
      },
      words,
      inject('installation'),
    );

  /** Opens a socket. `closed` of the result resolves with the close code of the socket. */
  async function openSocket(url: string, token: string) {
    const connected = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    createClient({
      url: url.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      lazy: false,
      retryAttempts: 0,
      connectionParams: { authorization: token },
      onNonLazyError: () => {},
      on: {
        connected: () => connected.resolve(),
        closed: (event) => closed.resolve((event as { code: number }).code),
      },
    });
    await connected.promise;
    return { closed: closed.promise };
  }
  const codeAt = async (url: string, { token }: Customer, query: string) =>
    (await postGraphql(`${url}/graphql`, query, {}, token)).errors?.[0]?.extensions?.code ?? 'OK';

  beforeAll(async () => {
    system = await startDistributed();
    secondGateway = (await system.addReplica('gateway')).url;
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it('end-sessions: ends those of one user at every gateway, without a request', async () => {
    await using ann = await startCustomer(system);
    await using bob = await startCustomer(system);
    const gateways = [system.gatewayUrl, secondGateway];
    const sockets = await Promise.all(gateways.map((url) => openSocket(`${url}/graphql`, ann.token)));
    expect(await admin('end-sessions', ann.username)).toEqual({
      code: 0,
      stdout: `1 session of ${ann.username} ended.`,
      stderr: '',
    });
    // The sockets are closed by the command, and not by the idle time-out of half an hour.
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4403, 4403]);
    for (const url of gateways) {
      expect(await codeAt(url, ann, '{ me { id } }')).toBe('SESSION_EXPIRED');
      expect(await codeAt(url, bob, '{ me { id } }')).toBe('OK');
    }
  });

  it('revoke-key: reaches all before they fetch keys again, and a new key signs', async () => {
    await using ann = await startCustomer(system);
    const kid = kidOf(ann.token);
    const { user, voucher, delivery } = system.urls;
    // Subgraphs also verify the token, which the gateway forwards.
    const places: [string, string][] = [
      [system.gatewayUrl, '{ me { id } }'],
      [secondGateway, '{ me { id } }'],
      [user, '{ me { id } }'],
      [voucher, '{ purchasedVouchers { nodes { id } } }'],
      [delivery, 'mutation { rotateCallbackSecret }'],
    ];
    const codes = () => Promise.all(places.map(([url, query]) => codeAt(url, ann, query)));
    expect(await codes()).toEqual(Array(5).fill('OK'));
    const { closed } = await openSocket(`${secondGateway}/graphql`, ann.token);
    expect(await admin('revoke-key', 'unknown')).toMatchObject({ code: 1, stderr: expect.stringContaining(kid) });

    expect(await admin('revoke-key', kid)).toMatchObject({ code: 0, stderr: '' });
    expect(await closed).toBe(4403);
    await expect.poll(codes).toEqual(Array(5).fill('UNAUTHENTICATED'));

    await using carl = await startCustomer(system);
    expect(kidOf(carl.token)).not.toBe(kid);
    for (const [url, query] of places) expect(await codeAt(url, carl, query)).toBe('OK');
  });
});

import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from './testing/gateway.ts';
import { parcelSupergraph } from './testing/parcel-supergraph.ts';
import { watchSupergraph } from './watch-supergraph.ts';

const move = (id: string) => ({ id, parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } });
/** As the tracking subgraph was before it had parcels on its moves. */
const without = (field: RegExp) => parcelSupergraph().replace(field, '');
const parcelOfMove = /(?<=type Move\n[\s\S]*?)^ {2}parcel: ID!\n/m;

function listen(client: Client, query: string) {
  const answers = client.iterate({ query });
  return async () => JSON.parse(JSON.stringify((await answers.next()).value ?? null));
}

describe('another supergraph', () => {
  it('is served over the sockets that are open, and over HTTP, while subscriptions go on', async () => {
    await using gateway = await startTestGateway({ supergraphSdl: without(parcelOfMove) });
    const { token } = await gateway.signIn('ann');
    const connection = gateway.connect(token);
    const places = listen(connection.client, 'subscription { moved { node { place recipient { name } } } }');
    const first = places();
    await gateway.untilSubscribed(1);
    const parcels = 'subscription { moved { node { parcel } } }';
    await expect(listen(connection.client, parcels)()).rejects.toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);

    await gateway.reload(parcelSupergraph());
    const newer = listen(connection.client, parcels)();
    await gateway.untilSubscribed(2);
    await gateway.publish(move('m1'));
    expect(await first).toEqual({ data: { moved: { node: { place: 'Hue', recipient: { name: 'name of bob' } } } } });
    expect(await newer).toEqual({ data: { moved: { node: { parcel: 'p1' } } } });
    expect(connection.isOpen()).toBe(true);
    const { errors } = await gateway.post(
      '{ moves(customer: "x", first: 1, after: "x") { edges { node { parcel } } } }',
      { token },
    );
    expect(errors?.[0]?.extensions?.code).not.toBe('GRAPHQL_VALIDATION_FAILED');
  });

  it('ends a subscription that does not fit it with SUBSCRIPTION_SCHEMA_RELOAD, and no other', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    const connection = gateway.connect(token);
    const parcels = listen(connection.client, 'subscription { moved { node { parcel } } }')();
    const places = listen(connection.client, 'subscription { moved { node { place } } }')();
    const refused = expect(parcels).rejects.toMatchObject([{ extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } }]);
    await gateway.untilSubscribed(2);
    await gateway.reload(without(parcelOfMove));
    await refused;
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    expect(await places).toEqual({ data: { moved: { node: { place: 'Hue' } } } });
    expect(connection.isOpen()).toBe(true);
  });

  it('ends one that it does not fit also while what was missed is read', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    gateway.world.stored = [move('m1'), move('m2')];
    const asked = Promise.withResolvers<void>();
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    gateway.world.onPage = () => {
      asked.resolve();
      return held;
    };
    const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { parcel } } }`;
    const refused = expect(listen(gateway.connect(token).client, query)()).rejects.toMatchObject([
      { extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } },
    ]);
    await asked.promise;
    await gateway.reload(without(parcelOfMove));
    answer();
    await refused;
    await gateway.untilSubscribed(0);
  });

  it.each([
    ['is none', () => 'type Query {'],
    ['has a subgraph without an address', () => parcelSupergraph().replaceAll('"people"', '"persons"')],
    [
      'has a topic field that can not be served',
      () => parcelSupergraph().replace('replay: "moves"', 'replay: "nothing"'),
    ],
  ])('that %s changes nothing', async (_what, sdl) => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    const places = listen(gateway.connect(token).client, 'subscription { moved { node { place } } }')();
    await gateway.untilSubscribed(1);
    await expect(gateway.reload(sdl())).rejects.toThrow();
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
    await gateway.publish(move('m1'));
    expect(await places).toEqual({ data: { moved: { node: { place: 'Hue' } } } });
  });
});

describe('the supergraph’s file', () => {
  it('is served anew when it changes, and on SIGHUP; one that can’t be served is passed over', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-'));
    const file = join(folder.path, 'supergraph.graphql');
    await writeFile(file, 'one');
    const loaded: string[] = [];
    let onLoad = () => {};
    const load = () =>
      new Promise<void>((resolve) => {
        onLoad = resolve;
      });
    const log = createMemoryLog();
    await using _watch = watchSupergraph({
      file,
      served: 'one',
      log,
      intervalMs: 20,
      async reload(sdl) {
        loaded.push(sdl);
        onLoad();
        if (sdl === 'bad') throw new Error('that is no supergraph');
      },
    });
    for (const sdl of ['two', 'bad', 'three']) {
      const next = load();
      await writeFile(file, sdl);
      await next;
    }
    expect(loaded).toEqual(['two', 'bad', 'three']);
    expect(log.text).toContain('that is no supergraph');
  });

  it('is read at once on SIGHUP', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-'));
    const file = join(folder.path, 'supergraph.graphql');
    await writeFile(file, 'one');
    const loaded = Promise.withResolvers<string>();
    await using _watch = watchSupergraph({
      file,
      served: 'zero',
      log: createMemoryLog(),
      intervalMs: 1_000_000,
      reload: async (sdl) => loaded.resolve(sdl),
    });
    process.emit('SIGHUP');
    expect(await loaded.promise).toBe('one');
  });
});

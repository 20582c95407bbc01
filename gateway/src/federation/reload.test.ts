import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { startSubgraphProxy } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';
import { parcelSupergraph } from '../testing/supergraphs/parcel-supergraph.ts';

/** Returns the supergraph without the definition of a field of the subgraph `tracking`. */
const without = (field: RegExp) => parcelSupergraph().replace(field, '');
const parcelOfMove = /(?<=type Move\n[\s\S]*?)^ {2}parcel: ID!\n/m;

describe('reload: another supergraph', () => {
  it('is served over open sockets and HTTP, while subscriptions continue', async () => {
    await using gateway = await startTestGateway({ supergraphSdl: without(parcelOfMove) });
    const { token } = await gateway.signIn('ann');
    const connection = gateway.connect(token);
    const places = listen(connection.client, 'subscription { moved { node { place recipient { name } } } }');
    const first = places.next();
    await gateway.untilSubscribed(1);
    const parcels = 'subscription { moved { node { parcel } } }';
    await expect(listen(connection.client, parcels).next()).rejects.toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);

    await gateway.reload(parcelSupergraph());
    const newer = listen(connection.client, parcels).next();
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

  it('ends only invalid subscriptions, with SUBSCRIPTION_SCHEMA_RELOAD', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    const connection = gateway.connect(token);
    const parcels = listen(connection.client, 'subscription { moved { node { parcel } } }').next();
    const places = listen(connection.client, 'subscription { moved { node { place } } }').next();
    const refused = expect(parcels).rejects.toMatchObject([{ extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } }]);
    await gateway.untilSubscribed(2);
    await gateway.reload(without(parcelOfMove));
    await refused;
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    expect(await places).toEqual({ data: { moved: { node: { place: 'Hue' } } } });
    expect(connection.isOpen()).toBe(true);
  });

  it('ends an invalid subscription also during its catch-up', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    gateway.world.stored = [move('m1'), move('m2')];
    const page = createHold();
    gateway.world.onPage = page.wait;
    const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { parcel } } }`;
    const refused = expect(listen(gateway.connect(token).client, query).next()).rejects.toMatchObject([
      { extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } },
    ]);
    await page.reached;
    await gateway.reload(without(parcelOfMove));
    page.release();
    await refused;
    await gateway.untilSubscribed(0);
  });

  it.each([
    ['is invalid', () => 'type Query {'],
    ['has a subgraph without a URL', () => parcelSupergraph().replaceAll('"people"', '"persons"')],
    [
      'has a topic field that can not be served',
      () => parcelSupergraph().replace('replay: "moves"', 'replay: "nothing"'),
    ],
  ])('that %s changes nothing', async (_what, sdl) => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    const places = listen(gateway.connect(token).client, 'subscription { moved { node { place } } }').next();
    await gateway.untilSubscribed(1);
    await expect(gateway.reload(sdl())).rejects.toThrow();
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
    await gateway.publish(move('m1'));
    expect(await places).toEqual({ data: { moved: { node: { place: 'Hue' } } } });
  });
});

describe('reload', () => {
  it('a resuming subscription reads the store by the next supergraph', async () => {
    await using gateway = await startTestGateway();
    await using tracking = await startSubgraphProxy(gateway.addresses.subgraphUrls.tracking ?? '');
    const { token } = await gateway.signIn('ann');
    gateway.world.stored = ['m1', 'm2', 'm3', 'm4'].map((id) => move(id));
    gateway.world.pageSize = 1;
    const page = createHold();
    gateway.world.onPage = page.wait;
    const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { id recipient { name } } } }`;
    const { next } = listen(gateway.connect(token).client, query);
    const first = next();
    await page.reached;
    await gateway.reload(parcelSupergraph(), {
      subgraphUrls: { ...gateway.addresses.subgraphUrls, tracking: tracking.url },
      subscriptionUrls: {},
    });
    page.release();
    const event = (id: string) => ({ data: { moved: { node: { id, recipient: { name: 'name of bob' } } } } });
    expect([await first, await next(), await next()]).toEqual([event('m2'), event('m3'), event('m4')]);
    await gateway.publish(move('m5'));
    expect(await next()).toEqual(event('m5'));
    expect(tracking.calls.length).toBeGreaterThan(0);
  });
});

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { startGreetingServer } from '../testing/greeting-server.ts';
import { parcelSupergraph } from '../testing/parcel-supergraph.ts';

const move = (id: string) => ({ id, parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } });
/** The tracking subgraph's schema without `Move.parcel`. */
const without = (field: RegExp) => parcelSupergraph().replace(field, '');
const parcelOfMove = /(?<=type Move\n[\s\S]*?)^ {2}parcel: ID!\n/m;

function listen(client: Client, query: string) {
  const answers = client.iterate({ query });
  return async () => JSON.parse(JSON.stringify((await answers.next()).value ?? null));
}

describe('reload: another supergraph', () => {
  it('is served over open sockets and HTTP, while subscriptions continue', async () => {
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

  it('ends only invalid subscriptions, with SUBSCRIPTION_SCHEMA_RELOAD', async () => {
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

  it('ends an invalid subscription also during its catch-up', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn('ann');
    gateway.world.stored = [move('m1'), move('m2')];
    const requested = Promise.withResolvers<void>();
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    gateway.world.onPage = () => {
      requested.resolve();
      return held;
    };
    const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { parcel } } }`;
    const refused = expect(listen(gateway.connect(token).client, query)()).rejects.toMatchObject([
      { extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } },
    ]);
    await requested.promise;
    await gateway.reload(without(parcelOfMove));
    answer();
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
    const places = listen(gateway.connect(token).client, 'subscription { moved { node { place } } }')();
    await gateway.untilSubscribed(1);
    await expect(gateway.reload(sdl())).rejects.toThrow();
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
    await gateway.publish(move('m1'));
    expect(await places).toEqual({ data: { moved: { node: { place: 'Hue' } } } });
  });
});

/** The people subgraph at another URL, with different answers. */
async function startOtherPeople(hello = 'hello from elsewhere') {
  const closed: Promise<unknown>[] = [];
  const server = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: { hello } })),
  );
  server.on('connection', (socket) => closed.push(once(socket, 'close')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    /** Number of connections so far. */
    connections: () => closed.length,
    /** Resolves once all of them are closed. */
    allClosed: () => Promise.all(closed),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('reload: addresses', () => {
  const quick = { SUBGRAPH_TIMEOUT: '200ms' };

  it('switch with the supergraph, and old connections are closed', async () => {
    await using here = await startOtherPeople('here');
    await using there = await startOtherPeople('there');
    await using gateway = await startTestGateway({ subgraphUrls: { people: here.url }, environment: quick });
    const { subgraphUrls } = gateway.addresses;
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'here' });
    await gateway.reload(parcelSupergraph(), {
      subgraphUrls: { ...subgraphUrls, people: there.url },
      subscriptionUrls: {},
    });
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'there' });
    expect([here.connections(), there.connections()]).toEqual([1, 1]);
    await here.allClosed();
  });

  it('stay if a supergraph is rejected, and its new connections are closed', async () => {
    await using there = await startOtherPeople();
    await using gateway = await startTestGateway({ environment: quick });
    const { subgraphUrls } = gateway.addresses;
    const tails = gateway.tails();
    const more = `extend type Subscription {
      found(parcel: ID): Loss! @topic(name: "parcel-found", match: "customer", claim: "customer")
      kept(after: String): MoveEdge! @topic(name: "parcel-kept", match: "customer", claim: "customer", replay: "nothing")
    }`;
    await expect(
      gateway.reload(parcelSupergraph({ more }), {
        subgraphUrls: { ...subgraphUrls, people: there.url },
        subscriptionUrls: {},
      }),
    ).rejects.toThrow('Subscription.kept');
    await expect(
      gateway.reload(parcelSupergraph(), { subgraphUrls: { people: there.url }, subscriptionUrls: {} }),
    ).rejects.toThrow('SUBGRAPH_TRACKING_URL');
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
    expect(gateway.tails()).toEqual(tails);
    expect(there.connections()).toBe(0);
  });

  it('of a removed subgraph are not called, and its connections are closed', async () => {
    await using people = await startOtherPeople();
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url }, environment: quick });
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello from elsewhere' });
    await gateway.reload(parcelSupergraph({ people: false }));
    expect(await gateway.post('{ hello }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    await people.allClosed();
  });

  it('of a running operation stay until it has ended', async () => {
    await using there = await startOtherPeople();
    await using gateway = await startTestGateway({ environment: { SUBGRAPH_TIMEOUT: '5s' } });
    gateway.world.stored = [move('m1')];
    const requested = Promise.withResolvers<void>();
    const { promise: held, resolve: answer } = Promise.withResolvers<void>();
    gateway.world.onPage = () => {
      requested.resolve();
      return held;
    };
    const page = gateway.post(
      `{ moves(customer: "ann", first: 1, after: "${encodeCursor(null)}") { edges { node { recipient { name } } } } }`,
    );
    await requested.promise;
    const { subgraphUrls } = gateway.addresses;
    await gateway.reload(parcelSupergraph(), {
      subgraphUrls: { ...subgraphUrls, people: there.url },
      subscriptionUrls: {},
    });
    answer();
    expect(await page).toMatchObject({
      data: { moves: { edges: [{ node: { recipient: { name: 'name of bob' } } }] } },
    });
    expect(there.connections()).toBe(0);
  });

  it('of subscriptions at subgraphs switch, too', async () => {
    await using here = await startGreetingServer();
    await using there = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: here.socketUrl } });
    const next = listen(gateway.connect(null).client, 'subscription { greeted { text } }');
    const first = next();
    await here.untilStreams(1);
    await gateway.reload(parcelSupergraph(), {
      ...gateway.addresses,
      subscriptionUrls: { tracking: there.eventsUrl },
    });
    await here.untilStreams(0);
    await there.untilStreams(1);
    there.greet('hello');
    expect(await first).toEqual({ data: { greeted: { text: 'hello' } } });
  });
});

describe('reload: topics', () => {
  const found = `extend type Subscription {
    found(parcel: ID): Loss! @topic(name: "parcel-found", match: "customer", claim: "customer")
  }`;

  it('that it adds are read, and those that it removes are not', async () => {
    await using gateway = await startTestGateway();
    const before = gateway.tails();
    await gateway.reload(parcelSupergraph({ more: found }));
    expect(gateway.tails()).toEqual([...before, 'parcel-found']);
    await gateway.reload(parcelSupergraph());
    expect(gateway.tails()).toEqual(before);
  });

  it('are those of the last of concurrent reloads', async () => {
    await using gateway = await startTestGateway();
    const before = gateway.tails();
    const sdls = [{ more: found }, {}, { more: found }, {}].map((options) => parcelSupergraph(options));
    await Promise.all(sdls.map((sdl) => gateway.reload(sdl)));
    expect(gateway.tails()).toEqual(before);
  });
});

it('reload: a resuming subscription reads the store by the next supergraph', async () => {
  await using gateway = await startTestGateway();
  await using tracking = await startProxy(new URL(gateway.addresses.subgraphUrls.tracking ?? ''));
  const { token } = await gateway.signIn('ann');
  gateway.world.stored = ['m1', 'm2', 'm3', 'm4'].map(move);
  gateway.world.pageSize = 1;
  const requested = Promise.withResolvers<void>();
  const { promise: held, resolve: answer } = Promise.withResolvers<void>();
  gateway.world.onPage = () => {
    requested.resolve();
    return held;
  };
  const query = `subscription { moved(after: "${encodeCursor('m1')}") { node { id recipient { name } } } }`;
  const next = listen(gateway.connect(token).client, query);
  const first = next();
  await requested.promise;
  await gateway.reload(parcelSupergraph(), {
    subgraphUrls: { ...gateway.addresses.subgraphUrls, tracking: tracking.url },
    subscriptionUrls: {},
  });
  answer();
  const event = (id: string) => ({ data: { moved: { node: { id, recipient: { name: 'name of bob' } } } } });
  expect([await first, await next(), await next()]).toEqual([event('m2'), event('m3'), event('m4')]);
  await gateway.publish(move('m5'));
  expect(await next()).toEqual(event('m5'));
  expect(tracking.calls()).toBeGreaterThan(0);
});

/** A subgraph at another URL. */
async function startProxy({ origin }: URL) {
  let calls = 0;
  const server = createServer(async (request, response) => {
    calls += 1;
    const { method = 'GET', url = '/', headers } = request;
    const answer = await fetch(new URL(url, origin), {
      method,
      headers: { 'content-type': headers['content-type'] ?? '' },
      body: await text(request),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

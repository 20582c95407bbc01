import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { startGreetingServer } from '../testing/servers/greeting-server.ts';
import { startHelloSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';
import { parcelSupergraph } from '../testing/supergraphs/parcel-supergraph.ts';

describe('reload: addresses', () => {
  const quick = { SUBGRAPH_TIMEOUT: '200ms' };

  it('switch with the supergraph, and old connections are closed', async () => {
    await using here = await startHelloSubgraph('here');
    await using there = await startHelloSubgraph('there');
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
    await using there = await startHelloSubgraph();
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
    await using people = await startHelloSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: people.url }, environment: quick });
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello from elsewhere' });
    await gateway.reload(parcelSupergraph({ people: false }));
    expect(await gateway.post('{ hello }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    await people.allClosed();
  });

  it('of a running operation stay until it has ended', async () => {
    await using there = await startHelloSubgraph();
    await using gateway = await startTestGateway({ environment: { SUBGRAPH_TIMEOUT: '5s' } });
    gateway.world.stored = [move('m1')];
    const page = createHold();
    gateway.world.onPage = page.wait;
    const posted = gateway.post(
      `{ moves(customer: "ann", first: 1, after: "${encodeCursor(null)}") { edges { node { recipient { name } } } } }`,
    );
    await page.reached;
    const { subgraphUrls } = gateway.addresses;
    await gateway.reload(parcelSupergraph(), {
      subgraphUrls: { ...subgraphUrls, people: there.url },
      subscriptionUrls: {},
    });
    page.release();
    expect(await posted).toMatchObject({
      data: { moves: { edges: [{ node: { recipient: { name: 'name of bob' } } }] } },
    });
    expect(there.connections()).toBe(0);
  });

  it('of subscriptions at subgraphs switch, too', async () => {
    await using here = await startGreetingServer();
    await using there = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: here.socketUrl } });
    const { next } = listen(gateway.connect(null).client, 'subscription { greeted { text } }');
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

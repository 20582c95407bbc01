import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { ask } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { move } from '../testing/supergraphs/moves.ts';

describe('websocket', () => {
  it('closes with 1001, which clients retry, at shutdown', async () => {
    await using gateway = await startTestGateway();
    const connection = gateway.connect((await gateway.signIn()).token);
    await connection.connected;
    await gateway.stop();
    expect(await connection.closed).toMatchObject({ code: 1001 });
  });

  it('in the drain, refuses new sockets and answers running operations', async () => {
    await using gateway = await startTestGateway({ environment: { DRAIN_WINDOW: '1s' } });
    const { token } = await gateway.signIn('ann');
    const names = createHold();
    gateway.world.stored = [move('m1')];
    gateway.world.onName = names.wait;
    const { client, closed } = gateway.connect(token);
    const answer = ask(client, {
      query: `{ moves(customer: "ann", first: 1, after: "${encodeCursor(null)}") { edges { node { recipient { name } } } } }`,
    });
    await names.reached;
    const stopped = gateway.stop();
    expect((await fetch(gateway.url.concat('/health/ready'))).status).toBe(503);
    expect((await gateway.connect(token).closed).code).toBe(1006);
    names.release();
    expect(await answer).toEqual({ data: { moves: { edges: [{ node: { recipient: { name: 'name of bob' } } }] } } });
    expect(await closed).toMatchObject({ code: 1001 });
    await stopped;
  });
});

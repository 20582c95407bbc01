import { describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { connectReady, type RawClient } from '../testing/clients/raw-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { move, moved } from '../testing/supergraphs/moves.ts';
import { ClientSocket } from './client-socket.ts';

describe('websocket operations', () => {
  it('are not read while earlier ones of their socket wait for their turn', async () => {
    await using gateway = await startTestGateway();
    const hold = vi.spyOn(ClientSocket.prototype, 'pauseReading');
    await using client = await connectReady(gateway.socketUrl);
    for (let index = 0; index < 20; index += 1)
      client.subscribe(`${index}`, `query Q${index} { ${'hello '.repeat(4_000)} } }`);
    const refused = { type: 'error', payload: [{ extensions: { code: 'GRAPHQL_PARSE_FAILED' } }] };
    for (let index = 0; index < 20; index += 1) expect(await client.first(`${index}`)).toMatchObject(refused);
    expect(hold).toHaveBeenCalled();
    hold.mockRestore();
  });

  it('complete after a result larger than the buffer limit', async () => {
    // Regression: a large result filled the buffer beyond its limit. When `complete` followed, the socket was closed
    // with TOO_SLOW.
    await using gateway = await startTestGateway({ environment: { MAX_BUFFERED_BYTES: '16384' } });
    const place = 'x'.repeat(8_000_000);
    gateway.world.stored = [move('m1', { place })];
    await using client = await connectReady(gateway.socketUrl);
    client.subscribe('1', '{ moves(customer: "ann", first: 1, after: "djE6") { edges { node { place } } } }');
    client.subscribe('2', '{ hello }');
    await client.first('1', 'complete');
    expect(client.of('1').map(({ type }) => type)).toEqual(['next', 'complete']);
    expect(JSON.stringify(await client.first('1')).includes(place)).toBe(true);
    expect(await client.first('2')).toMatchObject({ type: 'next', payload: { data: { hello: 'hello' } } });
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });

  it.each([
    ['completes it', async (client: RawClient) => client.complete('1')],
    ['closes its socket', async (client: RawClient) => client.socket.close()],
    ['is gone', async (client: RawClient) => client.socket.terminate()],
  ])('abort their subgraph calls when the client %s', async (_how, leave) => {
    await using subgraph = await startSubgraph();
    await using gateway = await startTestGateway({ subgraphUrls: { people: subgraph.url } });
    await using client = await connectReady(gateway.socketUrl);
    client.subscribe('1', '{ hello }');
    const call = await subgraph.call(1);
    const closed = new Promise((resolve) => call.once('close', resolve));
    await leave(client);
    await closed;
    expect(call.writableFinished).toBe(false);
    expect(client.of('1')).toEqual([]);
    expect(gateway.log.text).not.toContain('a subgraph failed');
  });

  it('may reuse an id once the client has completed it', async () => {
    await using gateway = await startTestGateway();
    const { token } = await gateway.signIn();
    gateway.world.stored = [move('m1')];
    await using client = await connectReady(gateway.socketUrl, token);
    client.subscribe('1', moved);
    await gateway.untilSubscribed(1);
    client.complete('1');
    client.subscribe('1', '{ hello }');
    expect(await client.first('1')).toEqual({ id: '1', type: 'next', payload: { data: { hello: 'hello' } } });
    await gateway.untilSubscribed(0);
  });

  it('get a shared event, even if the operation that it is fetched for ends', async () => {
    const names = createHold();
    await using gateway = await startTestGateway();
    gateway.world.onName = names.wait;
    const { token } = await gateway.signIn();
    await using first = await connectReady(gateway.socketUrl, token);
    await using second = await connectReady(gateway.socketUrl, token);
    first.subscribe('1', moved);
    await gateway.untilSubscribed(1);
    second.subscribe('1', moved);
    await gateway.untilSubscribed(2);
    await gateway.publish(move('m1'));
    await names.reached;
    first.socket.terminate();
    await gateway.untilSubscribed(1);
    names.release();
    expect(await second.first('1')).toMatchObject({
      payload: { data: { moved: { node: { recipient: { name: 'name of bob' } } } } },
    });
  });
});

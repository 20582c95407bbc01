import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import { describe, expect, it } from 'vitest';
import { createLoopTurns, type LoopTurns } from '../scheduling/loop-turns.ts';
import { createHold } from '../testing/hold.ts';
import { messagesOfQuery, startSocketServer } from '../testing/servers/socket-server.ts';

const long = '#'.repeat(10_000);

/** Starts a server. The test decides when operations get a turn of the event loop. */
async function startHolding() {
  const turns = createLoopTurns();
  const hold = createHold();
  let entered = 0;
  const held: LoopTurns = {
    tryEnter: () => false,
    async enter(...input) {
      entered += 1;
      await hold.wait();
      await turns.enter(...input);
    },
  };
  const server = await startSocketServer({}, { turns: held });
  return { ...server, hold, entered: () => entered };
}

describe('large messages', () => {
  // Regression: 150 anonymous sockets that sent large pings or pongs kept other clients waiting for seconds.
  it.each(['ping', 'pong'])('wait for a turn of the event loop, and stay in order: %s', async (type) => {
    await using server = await startHolding();
    await using client = await server.connectReady();
    await using other = await server.connectReady();
    client.send({ type, payload: { long } });
    client.send({ type: 'ping', payload: { number: 2 } });
    await server.hold.reached;
    expect(await other.rest()).toEqual([]);
    expect(client.messages).toHaveLength(1);
    server.hold.release();
    if (type === 'ping') expect(await client.next()).toEqual({ type: 'pong', payload: { long } });
    expect(await client.next()).toEqual({ type: 'pong', payload: { number: 2 } });
  });

  // Regression: operations of one address waited for a place in `LargeRequests`, and then all ran in one turn of the
  // event loop.
  it('get a turn only when they have a place', async () => {
    await using server = await startHolding();
    await using clients = new AsyncDisposableStack();
    const all = await Promise.all(Array.from({ length: 10 }, async () => clients.use(await server.connectReady())));
    for (const client of all)
      client.send(`{"id":"1","type":"subscribe","payload":{"query":"query","extensions":{"x":"${long}"}}}`);
    await waitFor(() => server.entered() >= 4, { everyMs: 1 });
    // After these round trips, the server has received all messages.
    await using other = await server.connectReady();
    for (let round = 0; round < 20; round += 1) await other.rest();
    expect(server.entered()).toBe(4);
    server.hold.release();
    for (const client of all) expect([await client.next(), await client.next()]).toEqual(messagesOfQuery('1'));
  });
});

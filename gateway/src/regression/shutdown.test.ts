import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { move } from '../testing/supergraphs/moves.ts';

describe('shutdown', () => {
  it('does not wait for a subgraph that does not respond', async () => {
    // Regression: while an event waited for a subgraph's response, shutdown waited too, up to SUBGRAPH_TIMEOUT.
    await using people = await startSubgraph();
    await using gateway = await startTestGateway({
      subgraphUrls: { people: people.url },
      environment: { DRAIN_WINDOW: '1ms', SUBGRAPH_TIMEOUT: '1h', SUBGRAPH_CONNECTIONS: '3' },
    });
    const { token } = await gateway.signIn('ann');
    const { client } = gateway.connect(token);
    const event = client.iterate({ query: 'subscription { moved { node { recipient { name } } } }' }).next();
    await gateway.untilSubscribed(1);
    await gateway.publish(move('m1'));
    const overSocket = client.iterate({ query: '{ hello }' }).next();
    await people.call(2);
    const overHttp = gateway.post('{ hello }');
    await people.call(3);
    // SUBGRAPH_CONNECTIONS allows three calls to a subgraph at a time, so this fourth call waits in the queue.
    const waiting = gateway.post('{ again: hello }');
    const ended = Promise.allSettled([event, overSocket, overHttp, waiting]);

    await gateway.stop();
    expect(people.calls.some(({ writableFinished }) => writableFinished)).toBe(false);
    await ended;
  });
});

import { expect, it } from 'vitest';
import { startTestGateway } from './testing/gateway.ts';
import { startSilentSubgraph } from './testing/silent-subgraph.ts';

it('shutdown: meets its deadline while a subgraph does not respond', async () => {
  // Regression: an event that waited for its subgraph delayed shutdown by SUBGRAPH_TIMEOUT.
  await using people = await startSilentSubgraph();
  await using gateway = await startTestGateway({
    subgraphUrls: { people: people.url },
    environment: { DRAIN_WINDOW: '1ms', SUBGRAPH_TIMEOUT: '50s', SUBGRAPH_CONNECTIONS: '3' },
  });
  const { token } = await gateway.signIn('ann');
  const { client } = gateway.connect(token);
  const event = client.iterate({ query: 'subscription { moved { node { recipient { name } } } }' }).next();
  await gateway.untilSubscribed(1);
  await gateway.publish({ id: 'm1', parcel: 'p1', customer: 'ann', place: 'Hue', recipient: { id: 'bob' } });
  const overSocket = client.iterate({ query: '{ hello }' }).next();
  await people.request(2);
  const overHttp = gateway.post('{ hello }');
  await people.request(3);
  // Another event waits in the queue.
  const waiting = gateway.post('{ again: hello }');
  const ended = Promise.allSettled([event, overSocket, overHttp, waiting]);

  const startedAt = performance.now();
  await gateway.stop();
  expect(performance.now() - startedAt).toBeLessThan(gateway.stopWithinMs ?? 0);
  await ended;
}, 90_000);

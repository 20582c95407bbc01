import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted, startGreetingServer } from '../testing/servers/greeting-server.ts';
import { startUpstreamSockets } from '../testing/servers/upstream-servers.ts';

describe('upstream: a violation of the protocol is a lost connection', () => {
  const ack = '{"type":"connection_ack"}';
  it.each([
    ['invalid JSON', ['{']],
    ['an unknown type', ['{"type":"hello"}']],
    ['an event before the acknowledgement', ['{"id":"1","type":"next","payload":{"data":{"hi":null}}}']],
    ['a second acknowledgement', [ack, ack]],
    ['an event that is not a GraphQL response', [ack, '{"id":"1","type":"next","payload":{"data":7}}']],
    ['invalid errors', [ack, '{"id":"1","type":"next","payload":{"data":null,"errors":[7]}}']],
    ['bytes', [Buffer.from([0xff, 0xfe])]],
    ['an event that is too large', [ack, `{"id":"1","type":"next","payload":{"data":{"hi":"${'x'.repeat(2_000)}"}}}`]],
    ['a normal close', [1000]],
    ['a fatal close', [4400]],
  ])('%s', async (_what, frames) => {
    await using upstream = await startUpstreamSockets((socket) => {
      for (const frame of frames) {
        if (typeof frame === 'number') socket.close(frame);
        else socket.send(frame);
      }
    });
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: upstream.url },
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '1024' },
    });
    const ann = listen(gateway.connect(null).client, greeted);
    await expect(ann.next()).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }]);
    // One connection at first, and five retries with backoff.
    expect(upstream.sockets).toBe(6);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('an event that is too large, on an event stream', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: greetings.eventsUrl },
      environment: { MAX_SUBGRAPH_ANSWER_BYTES: '1024' },
    });
    const ann = listen(gateway.connect(null).client, greeted);
    const first = ann.next();
    await greetings.untilStreams(1);
    for (let index = 0; index < 20; index += 1) greetings.greet('x'.repeat(200));
    expect(await first).toMatchObject({ data: { hi: { by: null } } });
    greetings.greet('x'.repeat(2_000));
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    expect(greetings.requested).toHaveLength(2);
  });

  it('an event on a stream that is no GraphQL response: its connection is closed', async () => {
    // Regression: streams stayed open after a retry. The gateway continued to read them into memory.
    const lies = Promise.withResolvers<ServerResponse>();
    await using subgraph = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: next\ndata: {"data":7}\n\n');
      lies.resolve(response);
    });
    await once(subgraph.listen(0, '127.0.0.1'), 'listening');
    const { port } = subgraph.address() as AddressInfo;
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: `http://127.0.0.1:${port}` } });
    const ann = listen(gateway.connect(null).client, greeted).next();
    ann.catch(() => {});
    const response = await lies.promise;
    if (!response.closed) await once(response, 'close');
    await expect(ann).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE' } }]);
  });
});

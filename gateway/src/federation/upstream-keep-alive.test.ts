import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted } from '../testing/servers/greeting-server.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { startSilentServer, startUpstreamSockets } from '../testing/servers/upstream-servers.ts';

describe('upstream: reconnects to a subgraph that accepts and is then silent', () => {
  const environment = { UPSTREAM_CONNECT_TIMEOUT: '100ms', UPSTREAM_KEEP_ALIVE: '100ms' };
  const acknowledge = (socket: WebSocket) =>
    socket.on('message', (data) => {
      if (JSON.parse(String(data)).type === 'connection_init') socket.send('{"type":"connection_ack"}');
    });

  it.each(['ws', 'http'])('before it answers (%s)', async (protocol) => {
    await using silent = await startSilentServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: `${protocol}://127.0.0.1:${silent.port}` },
      environment,
    });
    void listen(gateway.connect(null).client, greeted)
      .next()
      .catch(() => {});
    await silent.connection();
    await silent.connection();
  });

  it('without an acknowledgement', async () => {
    await using upstream = await startUpstreamSockets(() => {});
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client, greeted)
      .next()
      .catch(() => {});
    await upstream.untilSockets(2);
  });

  it('without any frame on its socket', async () => {
    await using upstream = await startUpstreamSockets(acknowledge, { autoPong: false });
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client, greeted)
      .next()
      .catch(() => {});
    await upstream.untilSockets(2);
  });

  it('without any byte on its event stream', async () => {
    await using upstream = await startSubgraph((response) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n'),
    );
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: upstream.url },
      environment,
    });
    void listen(gateway.connect(null).client, greeted)
      .next()
      .catch(() => {});
    await upstream.call(2);
  });

  it('but not to one that answers pings', async () => {
    const pings = Promise.withResolvers<void>();
    let count = 0;
    await using upstream = await startUpstreamSockets((socket) => {
      acknowledge(socket);
      socket.on('ping', () => {
        count += 1;
        if (count === 5) pings.resolve();
      });
    });
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: upstream.url }, environment });
    void listen(gateway.connect(null).client, greeted)
      .next()
      .catch(() => {});
    await pings.promise;
    expect(upstream.sockets).toBe(1);
  });
});

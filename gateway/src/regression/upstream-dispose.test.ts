import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted } from '../testing/servers/greeting-server.ts';
import { startSilentServer } from '../testing/servers/upstream-servers.ts';

describe('upstream', () => {
  // Regression: an unhandled rejection of the client library's dispose() ended the process.
  it.each(['ws', 'http'])('unsubscribing while the subgraph is down (%s) does not reject', async (protocol) => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    using _stop = { [Symbol.dispose]: () => process.off('unhandledRejection', onUnhandled) };
    await using silent = await startSilentServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: `${protocol}://127.0.0.1:${silent.port}` },
    });
    const ann = listen(gateway.connect(null).client, greeted);
    const first = ann.next();
    const attempt = await silent.connection();
    await ann.stop();
    expect(await first).toBe(null);
    await gateway.untilSubscribed(0);
    attempt.resetAndDestroy();
    expect((await gateway.post('{ hello }')).data).toEqual({ hello: 'hello' });
    expect(unhandled).toHaveLength(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });
});

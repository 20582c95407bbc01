import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted, startGreetingServer } from '../testing/servers/greeting-server.ts';

describe('upstream', () => {
  it('the limit without a sign-in is per address', async () => {
    // Regression: all addresses shared one limit, so that one client could use it up for all clients that are not
    // signed in.
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: greetings.socketUrl },
      environment: { MAX_SUBSCRIPTIONS_PER_USER: '1', TRUSTED_PROXIES: '127.0.0.1' },
    });
    const statusFrom = async (address: string) => {
      const headers = { 'content-type': 'application/json', accept: 'text/event-stream', 'x-forwarded-for': address };
      const response = await fetch(gateway.graphqlUrl, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: greeted }),
      });
      return response.status;
    };
    expect(await statusFrom('192.0.2.1')).toBe(200);
    expect(await statusFrom('192.0.2.1')).toBe(429);
    expect(await statusFrom('192.0.2.2')).toBe(200);
  });

  it('subscriptions per subgraph are limited, shared ones counted once', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({
      subscriptionUrls: { tracking: greetings.socketUrl },
      environment: { MAX_UPSTREAM_SUBSCRIPTIONS: '1' },
    });
    const { client } = gateway.connect(null);
    const first = listen(client, greeted);
    const firsts = [first.next(), listen(client, greeted).next()];
    await gateway.untilSubscribed(2);
    await expect(listen(client, greeted, { by: 'bob' }).next()).rejects.toMatchObject([
      { extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } },
    ]);
    await greetings.untilStreams(1);
    greetings.complete();
    expect(await Promise.all(firsts)).toEqual([null, null]);
    const bob = listen(client, greeted, { by: 'bob' });
    void bob.next();
    await greetings.untilStreams(1);
    expect(gateway.upstreamSubscriptions()).toBe(1);
  });
});

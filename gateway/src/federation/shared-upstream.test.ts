import { describe, expect, it } from 'vitest';
import { listen } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted, startGreetingServer } from '../testing/servers/greeting-server.ts';

describe.each(['socketUrl', 'eventsUrl'] as const)('upstream: a subscription at its %s', (kind) => {
  const setUp = async () => {
    await using releases = new AsyncDisposableStack();
    const greetings = releases.use(await startGreetingServer());
    const gateway = releases.use(await startTestGateway({ subscriptionUrls: { tracking: greetings[kind] } }));
    const owned = releases.move();
    return { greetings, gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  };

  it('streams events with the fields of other subgraphs, by the subscriber’s token', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const { token } = await gateway.signIn('ann');
    const ann = listen(gateway.connect(token).client, greeted, { by: 'bob' });
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.greet('hello', 'bob');
    expect(await first).toEqual({ data: { hi: { text: 'hello', by: { name: 'name of bob' } } } });
    expect(greetings.requested).toEqual([{ by: 'bob', authorization: token }]);
  });

  it('is shared by equal subscriptions, until the last of them ends', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const { token } = await gateway.signIn('ann');
    const { token: other } = await gateway.signIn('bob');
    const one = listen(gateway.connect(token).client, greeted);
    const two = listen(gateway.connect(token).client, greeted);
    const firsts = [one.next(), two.next()];
    await gateway.untilSubscribed(2);
    const bob = listen(gateway.connect(other).client, greeted);
    const ofBob = bob.next();
    await gateway.untilSubscribed(3);
    await greetings.untilStreams(2);
    expect(gateway.upstreamSubscriptions()).toBe(2);
    greetings.greet('hello');
    for (const answer of [...firsts, ofBob])
      expect(await answer).toEqual({ data: { hi: { text: 'hello', by: null } } });
    await one.stop();
    await gateway.untilSubscribed(2);
    expect(gateway.upstreamSubscriptions()).toBe(2);
    await two.stop();
    await bob.stop();
    await greetings.untilStreams(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('reconnects when its connection is lost', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const ann = listen(gateway.connect(null).client, greeted);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.cut();
    await greetings.untilStreams(0);
    await greetings.untilStreams(1);
    greetings.greet('again');
    expect(await first).toEqual({ data: { hi: { text: 'again', by: null } } });
    expect(greetings.requested).toHaveLength(2);
  });

  it('completes when the subgraph completes it', async () => {
    await using ctx = await setUp();
    const { greetings, gateway } = ctx;
    const ann = listen(gateway.connect(null).client, greeted);
    const first = ann.next();
    await greetings.untilStreams(1);
    greetings.complete();
    expect(await first).toBe(null);
    await gateway.untilSubscribed(0);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });

  it('ends with SUBGRAPH_UNAVAILABLE when the subgraph stays down', async () => {
    const gone = await startGreetingServer();
    await gone[Symbol.asyncDispose]();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: gone[kind] } });
    const ann = listen(gateway.connect(null).client, greeted);
    await expect(ann.next()).rejects.toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(gateway.upstreamSubscriptions()).toBe(0);
  });
});

describe('upstream', () => {
  it('passes on the subgraph’s error', async () => {
    await using greetings = await startGreetingServer();
    await using gateway = await startTestGateway({ subscriptionUrls: { tracking: greetings.socketUrl } });
    const ann = listen(gateway.connect(null).client, greeted, { by: 'nobody' });
    expect(await ann.next()).toMatchObject({ errors: [{ message: expect.stringContaining('nobody greets') }] });
    expect(await ann.next()).toBe(null);
  });
});

import { describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { ask, listen } from '../testing/clients/graphql-ws-client.ts';
import { connectReady } from '../testing/clients/raw-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { greeted, startGreetingServer } from '../testing/servers/greeting-server.ts';

/** Starts a gateway whose subgraph serves subscriptions itself. */
async function setUp(tokens: 'verified' | 'passed on', environment: Record<string, string> = {}) {
  await using releases = new AsyncDisposableStack();
  const greetings = releases.use(await startGreetingServer());
  const gateway = releases.use(
    await startTestGateway({ tokens, environment, subscriptionUrls: { tracking: greetings.socketUrl } }),
  );
  const owned = releases.move();
  return { greetings, gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('foreign tokens: over a WebSocket', () => {
  it('are verified when it is opened, and passed on', async () => {
    await using ctx = await setUp('verified');
    const { gateway, greetings } = ctx;
    const { token } = await gateway.signIn();
    const { client } = gateway.connect(token);
    expect(await ask(client, { query: '{ hello }' })).toMatchObject({ data: { hello: expect.any(String) } });
    expect(gateway.calls.at(-1)?.headers.authorization).toBe(token);
    void listen(client, greeted).next();
    await greetings.untilStreams(1);
    expect(greetings.requested).toEqual([{ by: undefined, authorization: token }]);
  });

  it.each(['Bearer x', 'a.b.c'])('%j closes it', async (token) => {
    await using ctx = await setUp('verified');
    const { code } = await ctx.gateway.connect(token).closed;
    expect(code).toBe(4403);
  });

  it('close it when they expire', async () => {
    await using ctx = await setUp('verified');
    const { clock, signIn, connect } = ctx.gateway;
    const { token } = await signIn('ann', { exp: Math.floor(clock.now() / 1_000) + 60 });
    const { client, closed, isOpen } = connect(token);
    expect(await ask(client, { query: '{ hello }' })).toHaveProperty('data');
    clock.advance(59_000);
    expect(await ask(client, { query: '{ hello }' })).toHaveProperty('data');
    expect(isOpen()).toBe(true);
    clock.advance(2_000);
    expect((await closed).code).toBe(4403);
  });

  it('without an end close it never, also after the longest timer', async () => {
    await using ctx = await setUp('verified');
    const { clock, signIn, connect } = ctx.gateway;
    const never = await signIn('ann', { exp: undefined });
    const inMonths = await signIn('ann', { exp: Math.floor(clock.now() / 1_000) + 90 * 86_400 });
    for (const { token } of [never, inMonths]) {
      const { client } = connect(token);
      expect(await ask(client, { query: '{ hello }' })).toHaveProperty('data');
      clock.advance(2_147_483_647);
      clock.advance(1_000);
      expect(await ask(client, { query: '{ hello }' })).toHaveProperty('data');
    }
  });

  it('that are not verified count as anonymous, and are passed on', async () => {
    await using ctx = await setUp('passed on');
    await using client = await connectReady(ctx.gateway.socketUrl, 'any text');
    client.subscribe('1', '{ hello }');
    expect(await client.next()).toMatchObject({ type: 'next', payload: { data: { hello: expect.any(String) } } });
    expect(ctx.gateway.calls.at(-1)?.headers.authorization).toBe('any text');
    client.subscribe('2', 'subscription { moved { cursor } }');
    expect(await client.first('2')).toMatchObject({ payload: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });
});

describe('foreign tokens: over HTTP', () => {
  it.each([
    ['verified', 'UNAUTHENTICATED'],
    ['passed on', undefined],
  ] as const)('%s: one that is not valid has the error %s', async (tokens, code) => {
    await using ctx = await setUp(tokens);
    const { errors } = await ctx.gateway.post('{ hello }', { token: 'x' });
    expect(errors?.[0]?.extensions?.code).toBe(code);
  });
});

// Regression: all clients without an identity shared one subscription at the subgraph, which was opened with the first
// client's token.
describe('subscriptions of a subgraph: are shared by nobody with', () => {
  it('another token, though it is not verified', async () => {
    await using ctx = await setUp('passed on');
    const { gateway, greetings } = ctx;
    for (const token of ['of ann', 'of bob', 'of ann']) void listen(gateway.connect(token).client, greeted).next();
    await gateway.untilSubscribed(3);
    await greetings.untilStreams(2);
    expect(greetings.requested.map(({ authorization }) => authorization).sort()).toEqual(['of ann', 'of bob']);
  });

  it('other headers that are forwarded', async () => {
    await using ctx = await setUp('verified', { FORWARD_HEADERS: 'x-tenant' });
    const { gateway, greetings } = ctx;
    const open = (tenant: string) =>
      openStream(gateway.graphqlUrl, {
        query: 'subscription ($by: ID) { greeted(by: $by) { text by { name } } }',
        variables: { by: 'bob' },
        headers: { 'x-tenant': tenant },
      });
    const streams = [await open('red'), await open('blue'), await open('blue')];
    await gateway.untilSubscribed(3);
    await greetings.untilStreams(2);
    greetings.greet('hi', 'bob');
    for (const stream of streams) await stream.until('name of bob');
    const tenants = gateway.calls.map(({ headers }) => headers['x-tenant']);
    expect(tenants.sort()).toEqual(['blue', 'red']);
    for (const stream of streams) await stream.cancel();
  });
});

import { createClient as createSseClient } from 'graphql-sse';
import { describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';

const register = 'mutation { __typename register(name: "ann") { id name } }';

/** Refused tokens, each with its error code. */
const refusedTokens: [string, (gateway: TestGateway) => Promise<string>, string][] = [
  ['is gibberish', async () => 'gibberish', 'UNAUTHENTICATED'],
  [
    'has expired',
    async (gateway) => (await gateway.signIn('ann', { exp: Math.floor(gateway.clock.now() / 1_000) - 1 })).token,
    'UNAUTHENTICATED',
  ],
  [
    'has no session any more',
    async (gateway) => {
      const { token, sid } = await gateway.signIn();
      await gateway.engines.keyValue.delete(`session:${sid}`);
      return token;
    },
    'SESSION_EXPIRED',
  ],
];

describe('refused token', () => {
  it.each(refusedTokens)('one that %s does not prevent a public mutation', async (_what, make, code) => {
    await using gateway = await startTestGateway();
    const token = await make(gateway);
    expect(await gateway.post(register, { token })).toMatchObject({
      status: 200,
      data: { register: { id: 'ann', name: 'ann' } },
    });
    expect(gateway.calls.map(({ headers }) => headers.authorization)).toEqual([undefined]);

    expect(await gateway.post('mutation { greet(name: "ann") }', { token })).toMatchObject({
      errors: [{ extensions: { code } }],
    });
    expect(gateway.calls).toHaveLength(1);
  });

  it('a public field next to another one is not executed', async () => {
    await using gateway = await startTestGateway();
    const query = 'mutation { register(name: "ann") { id } greet(name: "ann") }';
    expect(await gateway.post(query, { token: 'gibberish' })).toMatchObject({
      status: 401,
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    expect(gateway.calls).toEqual([]);
  });

  it('a public query is answered by GET', async () => {
    await using gateway = await startTestGateway();
    const get = (query: string) =>
      fetch(`${gateway.graphqlUrl}?${new URLSearchParams({ query })}`, {
        headers: { authorization: 'gibberish', 'apollo-require-preflight': '1' },
      });
    expect(await (await get('{ openingHours }')).json()).toEqual({ data: { openingHours: '9 to 5' } });
    expect((await get('{ hello }')).status).toBe(401);
  });

  it('a public mutation runs over an event stream', async () => {
    await using gateway = await startTestGateway();
    const client = createSseClient({
      url: gateway.graphqlUrl,
      headers: { authorization: 'gibberish' },
      retryAttempts: 0,
    });
    const [answer] = await Array.fromAsync(client.iterate({ query: register }));
    expect(answer).toMatchObject({ data: { register: { id: 'ann' } } });
    expect(gateway.calls.map(({ headers }) => headers.authorization)).toEqual([undefined]);

    const refused = await fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: 'gibberish' },
      body: JSON.stringify({ query: '{ hello }' }),
    });
    expect([refused.status, await refused.json()]).toMatchObject([
      401,
      { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    ]);
  });

  it('a WebSocket that sends one is closed with 4403', async () => {
    await using gateway = await startTestGateway();
    expect(await gateway.connect('gibberish').closed).toMatchObject({ code: 4403, reason: 'UNAUTHENTICATED' });
  });
});

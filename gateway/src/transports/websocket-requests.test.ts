import { describe, expect, it } from 'vitest';
import { ask, subscribeToMoves } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { move, moved, movedResult } from '../testing/supergraphs/moves.ts';

describe('websocket', () => {
  it('streams a topic’s events across subgraphs to their subscriber', async () => {
    await using gateway = await startTestGateway();
    const ann = gateway.connect((await gateway.signIn('ann')).token);
    const bob = gateway.connect((await gateway.signIn('bob')).token);
    const toAnn = await subscribeToMoves(ann.client);
    const toBob = await subscribeToMoves(bob.client);
    await gateway.publish(move('m1'));
    await gateway.publish(move('m2', { customer: 'bob' }));
    expect((await toAnn.first).value).toEqual(movedResult('m1'));
    expect((await toBob.first).value).toEqual(movedResult('m2'));
  });

  it.each(['authorization', 'Authorization', 'AUTHORIZATION'])(
    'reads the token from the key %s, with or without Bearer',
    async (key) => {
      await using gateway = await startTestGateway();
      const { token } = await gateway.signIn();
      for (const input of [token, `Bearer ${token}`, `bearer ${token}`]) {
        const { client } = gateway.connect(input, { key });
        expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
        expect(gateway.calls.at(-1)?.headers.authorization).toBe(input);
      }
    },
  );

  it('answers queries and mutations, also signed out', async () => {
    await using gateway = await startTestGateway();
    const { client } = gateway.connect(null);
    expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
    expect(
      await ask(client, { query: 'mutation Greet($name: String!) { greet(name: $name) }', variables: { name: 'Ann' } }),
    ).toEqual({ data: { greet: 'hello Ann' } });
    expect(await ask(client, { query: moved })).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
  });

  it.each([
    ['not GraphQL', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', { query: '{ nope }' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['an unknown operation', { query: 'query A { hello }', operationName: 'B' }, 'OPERATION_RESOLUTION_FAILURE'],
    [
      'several operations and no name',
      { query: 'query A { hello } query B { hello }' },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    [
      'a variable of another type',
      { query: 'query ($n: Int) { moves(first: $n) { edges { cursor } } }', variables: { n: 'x' } },
      'BAD_USER_INPUT',
    ],
    [
      'a subscription’s variable of another type',
      { query: 'subscription ($p: ID) { moved(parcel: $p) { cursor } }', variables: { p: { no: 1 } } },
      'BAD_USER_INPUT',
    ],
    ['an invalid cursor', { query: 'subscription { moved(after: "x") { cursor } }' }, 'CURSOR_INVALID'],
  ])('refuses %s with a code, and stays open', async (_what, payload, code) => {
    await using gateway = await startTestGateway();
    const { client } = gateway.connect((await gateway.signIn()).token);
    expect(await ask(client, payload)).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(await ask(client, { query: '{ hello }' })).toEqual({ data: { hello: 'hello' } });
  });
});

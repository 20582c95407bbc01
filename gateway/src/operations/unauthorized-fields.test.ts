import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStream } from '../testing/clients/event-stream.ts';
import { ask } from '../testing/clients/graphql-ws-client.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { protectedSupergraph } from '../testing/supergraphs/protected-supergraph.ts';

const resources = new AsyncDisposableStack();
const gateways: Record<string, TestGateway> = {};
let tokens: { with: string; without: string };
beforeAll(async () => {
  for (const mode of ['remove', 'reject']) {
    const gateway = await startTestGateway({
      environment: { UNAUTHORIZED_FIELDS: mode },
      supergraphSdl: protectedSupergraph(/openingHours: String|greet\([^)]*\): String!|moved\([^)]*\): MoveEdge!/g),
    });
    gateways[mode] = resources.use(gateway);
  }
});
beforeEach(async () => {
  for (const gateway of Object.values(gateways)) gateway.calls.length = 0;
});
afterAll(() => resources.disposeAsync());

const of = (mode: string) => gateways[mode] as TestGateway;
const signIn = async (mode: string) => {
  tokens = {
    with: (await of(mode).signIn('ann', { scope: 'other track' })).token,
    without: (await of(mode).signIn('ann', { scope: 'other' })).token,
  };
  return tokens;
};
const refused = { extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } };

describe('unauthorised fields: rejected', () => {
  it.each([
    ['a query', '{ hello openingHours }', 'openingHours'],
    ['an alias in a fragment', '{ hello ...F } fragment F on Query { hello2: openingHours }', 'hello2'],
    ['a mutation', 'mutation { register(name: "a") { id } greet(name: "b") }', 'greet'],
  ])('%s is not executed, each time', async (_what, query, field) => {
    const { without } = await signIn('reject');
    for (const token of [undefined, without, undefined, without]) {
      const { data, errors } = await of('reject').post(query, token === undefined ? {} : { token });
      expect(data).toBeUndefined();
      expect(errors).toMatchObject([{ ...refused, path: [field] }]);
    }
    expect(of('reject').calls).toEqual([]);
  });

  it('an operation runs for a client with access, also after a refusal for another', async () => {
    const granted = await signIn('reject');
    const query = '{ openingHours again: hello }';
    for (const [token, isSeen] of [
      [granted.with, true],
      [granted.without, false],
      [granted.with, true],
    ] as const) {
      const { data } = await of('reject').post(query, { token });
      expect(data === undefined).toBe(!isSeen);
    }
    expect(of('reject').calls).toHaveLength(2);
  });

  it('a field that a condition leaves out does not matter', async () => {
    const query = 'query ($is: Boolean!) { hello openingHours @include(if: $is) }';
    const { data } = await of('reject').post(query, { variables: { is: false } });
    expect(data).toMatchObject({ hello: expect.any(String) });
    const { errors } = await of('reject').post(query, { variables: { is: true } });
    expect(errors).toMatchObject([refused]);
  });

  it('operations and subscriptions over a WebSocket are not executed either', async () => {
    const { without } = await signIn('reject');
    const { client } = of('reject').connect(without);
    for (const query of ['{ hello openingHours }', 'subscription { moved { cursor } }'])
      expect(await ask(client, { query })).toMatchObject({ errors: [refused] });
    expect(of('reject').calls).toEqual([]);
  });

  it('a stream is refused with the status of the code', async () => {
    const stream = await openStream(of('reject').graphqlUrl, { query: 'subscription { moved { cursor } }' });
    expect(stream.status).toBe(403);
    expect(await stream.json()).toMatchObject({ errors: [refused] });
  });
});

describe('unauthorised fields: removed', () => {
  it('leave the rest, for each client by what it may see', async () => {
    const granted = await signIn('remove');
    for (const [token, hours] of [
      [granted.without, null],
      [granted.with, expect.any(String)],
      [granted.without, null],
    ] as const) {
      const { data, errors } = await of('remove').post('{ hello openingHours }', { token });
      expect(data).toEqual({ hello: expect.any(String), openingHours: hours });
      expect(errors).toEqual(hours === null ? [expect.objectContaining({ path: ['openingHours'] })] : undefined);
    }
  });

  it('of a mutation are not executed, and have the error of their parent', async () => {
    const { data, errors } = await of('remove').post('mutation { greet(name: "b") }');
    expect(data).toBeNull();
    expect(errors).toMatchObject([refused]);
    expect(of('remove').calls).toEqual([]);
  });
});

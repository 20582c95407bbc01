import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

const query = '{ hello openingHours }';

async function ask(url: string, headers: Record<string, string> = { 'x-query-plan': 'true' }, text = query) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: text }),
  });
  return (await response.json()) as { data?: unknown; errors?: unknown; extensions?: Record<string, unknown> };
}

describe('query plans', () => {
  it('query plan: comes beside the data, with the time of each fetch, each time', async () => {
    await using gateway = await startTestGateway();
    const plain = await ask(gateway.graphqlUrl, {});
    for (let time = 0; time < 2; time += 1) {
      const { extensions, ...rest } = await ask(gateway.graphqlUrl);
      expect(rest).toEqual(plain);
      expect((extensions?.queryPlan as string[])[0]).toBe('QueryPlan {');
      expect(extensions?.fetches).toEqual([
        {
          subgraph: expect.any(String),
          query: expect.stringContaining('hello'),
          startedMs: expect.any(Number),
          durationMs: expect.any(Number),
          failed: false,
        },
      ]);
    }
  });

  it('query plan: says which fetch failed', async () => {
    await using gateway = await startTestGateway({
      subgraphUrls: Object.fromEntries(['people', 'tracking'].map((name) => [name, 'http://127.0.0.1:1/graphql'])),
    });
    const { errors, extensions } = await ask(gateway.graphqlUrl);
    expect(errors).toBeDefined();
    expect(extensions?.fetches).toMatchObject([{ failed: true }]);
  });

  it.each([
    ['without the header', {}, {}],
    ['in production', { NODE_ENV: 'production' }, { 'x-query-plan': 'true' }],
    ['with QUERY_PLANS=false', { QUERY_PLANS: 'false' }, { 'x-query-plan': 'true' }],
  ])('query plan: is not shown %s', async (_what, environment, headers) => {
    await using gateway = await startTestGateway({ environment });
    expect(await ask(gateway.graphqlUrl, headers as Record<string, string>)).not.toHaveProperty('extensions');
  });
});

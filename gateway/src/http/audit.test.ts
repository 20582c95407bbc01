import { auditServer } from 'graphql-http';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

const query = 'query ($first: Int!) { hello moves(first: $first) { edges { cursor } } }';
const failures: [what: string, body: object, code: string][] = [
  ['a text that is no GraphQL', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
  ['an unknown field', { query: '{ nope }' }, 'GRAPHQL_VALIDATION_FAILED'],
  ['an unknown name', { query: '{ hello }', operationName: 'A' }, 'OPERATION_RESOLUTION_FAILURE'],
  ['a variable that does not fit', { query, variables: { first: 'x' } }, 'BAD_USER_INPUT'],
];
const refusals: [what: string, body: object, code: string][] = [
  ['no query', { variables: {} }, 'BAD_REQUEST'],
  ['a limit', { query: `{ ${'hello '.repeat(3_000)} }` }, 'OPERATION_TOO_COMPLEX'],
];

describe('GraphQL over HTTP', () => {
  it('is audited: every MUST and SHOULD holds', async () => {
    await using gateway = await startTestGateway();
    const results = await auditServer({ url: gateway.graphqlUrl });
    const failed = results.filter(({ status }) => status !== 'ok');
    const requirements = results.filter(({ name }) => /^(MUST|SHOULD)/.test(name));
    expect(requirements.length).toBe(33);
    expect(failed.filter((result) => requirements.includes(result))).toEqual([]);
    // These three audits are optional (MAY). They fail because the gateway refuses a GET without a header that forces a
    // preflight. This prevents cross-site request forgery.
    expect(failed.map(({ id }) => id).sort()).toEqual(['5A70', '6A70', 'D6D5']);
  });

  it.each([
    ['application/json', 200],
    ['text/html;q=0.5, Application/JSON', 200],
    ['application/graphql-response+json', 400],
    ['application/graphql-response+json, application/json;q=0.9', 400],
    ['*/*', 400],
    [undefined, 400],
  ])('with accept: %s answers a request error with %s', async (accept, status) => {
    await using gateway = await startTestGateway();
    const ask = async (body: object) => {
      const response = await fetch(gateway.graphqlUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(accept && { accept }) },
        body: JSON.stringify(body),
      });
      const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] };
      return [response.status, errors[0]?.extensions.code];
    };
    for (const [what, body, code] of failures) {
      // Apollo Server answers the first request. The plan may then be cached, and the second request is answered
      // without Apollo Server.
      expect([what, ...(await ask(body))]).toEqual([what, status, code]);
      expect([what, ...(await ask(body))]).toEqual([what, status, code]);
    }
    for (const [what, body, code] of refusals) expect([what, ...(await ask(body))]).toEqual([what, 400, code]);
  });
});

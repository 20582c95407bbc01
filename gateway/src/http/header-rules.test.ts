import { readConfig } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { gatewaySettings } from '../config.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { startSubgraph } from '../testing/servers/subgraph.ts';
import { parcelSupergraph } from '../testing/supergraphs/parcel-supergraph.ts';

const environment = {
  FORWARD_HEADERS: 'x-tenant, Accept-Language',
  FORWARD_COOKIES: 'true',
  FORWARD_CACHE_CONTROL: 'true',
};
const query = JSON.stringify({ query: '{ hello openingHours moves(first: 1) { edges { cursor } } }' });

/** Posts a query twice to a gateway. Its subgraphs respond with the headers `people` and `tracking`. */
async function post(
  people: Record<string, string | string[]>,
  tracking: Record<string, string>,
  settings: Record<string, string> = environment,
  { body = '{"data":{"hello":"hi","openingHours":"9"}}', status = 200 } = {},
) {
  await using first = await startSubgraph((response) => response.writeHead(status, people).end(body));
  await using second = await startSubgraph((response) =>
    response.writeHead(200, tracking).end('{"data":{"moves":{"edges":[]}}}'),
  );
  await using gateway = await startTestGateway({
    environment: settings,
    subgraphUrls: { people: first.url, tracking: second.url },
  });
  const send = () =>
    fetch(gateway.graphqlUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-tenant': 'blue', 'x-other': 'no', cookie: 'a=b' },
      body: query,
    });
  // Apollo Server answers the first request. For the second request the plan is cached, so the gateway answers without
  // Apollo Server.
  const responses = [await send(), await send()];
  return { headers: responses.map(({ headers }) => headers), sent: first.calls.map(({ req }) => req.headers) };
}

describe('header rules', () => {
  it('pass on the listed headers to subgraphs, and no others', async () => {
    const { sent } = await post({}, {});
    for (const headers of sent) {
      expect(headers).toMatchObject({ 'x-tenant': 'blue' });
      expect(headers).not.toHaveProperty('x-other');
      expect(headers).not.toHaveProperty('cookie');
    }
    expect(sent).toHaveLength(2);
  });

  it.each([
    ['max-age=60, public', 'max-age=10, public', 'max-age=10, public'],
    // A shared cache stores a public response even if the request had a token. So the result is public only if the
    // responses of all subgraphs are public.
    ['max-age=60, public', 'max-age=10', 'max-age=10'],
    ['public, max-age=60, s-maxage=0', 'public, max-age=60', 'no-store'],
    ['public, max-age=60, max-age=5', 'public, max-age=60', 'max-age=5, public'],
    ['public, max-age=60, private="x-tenant"', 'public, max-age=60', 'max-age=60, private'],
    ['ext="a, max-age=60, public"', 'public, max-age=60', 'no-store'],
    [`public, max-age=${'9'.repeat(400)}`, `public, max-age=${'9'.repeat(400)}`, 'max-age=2147483648, public'],
    ['public, max-age=soon', 'public, max-age=60', 'no-store'],
    ['max-age=60, private', 'public, max-age=100', 'max-age=60, private'],
    ['max-age=60', 'no-store', 'no-store'],
    ['max-age=60', '', 'no-store'],
  ])('pass back the strictest of the cache-controls %j and %j', async (first, second, expected) => {
    const { headers } = await post({ 'cache-control': first }, second === '' ? {} : { 'cache-control': second });
    expect(headers.map((each) => each.get('cache-control'))).toEqual([expected, expected]);
  });

  it('pass back a `vary` with the forwarded headers only', async () => {
    const caching = { 'cache-control': 'max-age=60, public' };
    const { headers } = await post({ ...caching, vary: 'X-Tenant, x-other' }, { ...caching, vary: 'authorization' });
    for (const each of headers) {
      expect(each.get('cache-control')).toBe('max-age=60, public');
      expect(each.get('vary')?.toLowerCase()).toBe('origin, x-tenant, authorization');
    }
    const any = await post({ ...caching, vary: '*' }, caching);
    expect(any.headers.map((each) => each.get('cache-control'))).toEqual(['no-store', 'no-store']);
  });

  it.each([
    ['an error of a subgraph', '{"data":{"hello":null},"errors":[{"message":"no","path":["hello"]}]}', 200],
    ['a value that does not fit', '{"data":{"hello":{},"openingHours":"9"}}', 200],
    ['a subgraph that fails', 'no', 500],
  ])('let nobody store a response with %s', async (_what, body, status) => {
    const caching = { 'cache-control': 'max-age=60, public' };
    const { headers } = await post(caching, caching, environment, { body, status });
    expect(headers.map((each) => each.get('cache-control'))).toEqual(['no-store', 'no-store']);
  });

  // Regression: a shared cache would have served a protected field to clients that may not see it.
  it('let only its client store a response, if fields need a sign-in', async () => {
    const caching = { 'cache-control': 'max-age=60, public' };
    await using subgraph = await startSubgraph((response) =>
      response.writeHead(200, caching).end('{"data":{"hello":"hi"}}'),
    );
    const supergraphSdl = parcelSupergraph()
      .replace(/(schema\n)/, '$1  @link(url: "https://specs.apollo.dev/authenticated/v0.1", for: SECURITY)\n')
      .replace(/hello: String/, '$& @authenticated')
      .concat('directive @authenticated on FIELD_DEFINITION | OBJECT\n');
    await using gateway = await startTestGateway({
      environment,
      supergraphSdl,
      subgraphUrls: { people: subgraph.url },
    });
    const { token } = await gateway.signIn();
    for (let time = 0; time < 2; time += 1) {
      const response = await fetch(gateway.graphqlUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: '{ hello }' }),
      });
      expect(await response.json()).toEqual({ data: { hello: 'hi' } });
      expect(response.headers.get('cache-control')).toBe('max-age=60, private');
    }
  });

  it('pass back all cookies', async () => {
    const { headers } = await post({ 'set-cookie': ['a=1; Path=/', 'b=2'] }, { 'set-cookie': 'c=3' });
    for (const each of headers) expect(each.getSetCookie().sort()).toEqual(['a=1; Path=/', 'b=2', 'c=3']);
  });

  it('pass nothing by default', async () => {
    const { headers, sent } = await post({ 'set-cookie': 'a=1', 'cache-control': 'max-age=60' }, {}, {});
    expect(sent[0]).not.toHaveProperty('x-tenant');
    for (const each of headers) {
      expect(each.getSetCookie()).toEqual([]);
      expect(each.get('cache-control')).not.toContain('max-age=60');
    }
  });

  it.each(['host', 'content-length', 'authorization', 'a b'])('refuse %s as a header to forward', (name) => {
    expect(() =>
      readConfig(gatewaySettings, { JWKS_URL: 'http://127.0.0.1/jwks', FORWARD_HEADERS: `x-a, ${name}` }),
    ).toThrow(/FORWARD_HEADERS must be names of headers/);
  });
});

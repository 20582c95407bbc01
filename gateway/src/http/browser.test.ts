import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { startVoucherGateway } from '../testing/voucher-gateway.ts';

/** Sends a preflight. Returns the allowed origin; null if the gateway does not allow the origin. */
async function preflight(url: string, origin: string): Promise<string | null> {
  const { headers } = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  return headers.get('access-control-allow-origin');
}

describe('origins', () => {
  it('only pages of allowed origins may call the gateway', async () => {
    await using gateway = await startTestGateway({ environment: { ALLOWED_ORIGINS: 'https://shop.example' } });
    expect(await preflight(gateway.graphqlUrl, 'https://shop.example')).toBe('https://shop.example');
    expect(await preflight(gateway.graphqlUrl, 'https://evil.example')).toBeNull();
    expect(await preflight(gateway.graphqlUrl, 'http://localhost:3000')).toBeNull();
  });

  it('* allows any page, even in production', async () => {
    await using gateway = await startTestGateway({ environment: { ALLOWED_ORIGINS: '*', NODE_ENV: 'production' } });
    for (const origin of ['https://any.example', 'null'])
      expect(await preflight(gateway.graphqlUrl, origin)).toBe(origin);
  });
});

describe('pages', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startVoucherGateway();
  });
  afterAll(() => gateway?.[Symbol.asyncDispose]());

  it.each([
    ['page', '/'],
    ['page', '/requests/6f0f6d5e-6a3b-5b0c-9a51-0d6c7f9b2f10'],
    ['page', '/vouchers?code=A'],
    ['page', '/callbacks'],
    ['playground', '/graphql'],
  ])('%s: is served to browsers at %s, with all its assets', async (folder, path) => {
    const response = await fetch(gateway.url + path, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const page = await response.text();
    const assets = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, asset = '']) => asset);
    expect(assets.length).toBeGreaterThan(0);
    for (const asset of assets) {
      expect(asset).toMatch(new RegExp(`^/${folder}/assets/`));
      const { status, headers, body } = await fetch(gateway.url + asset, { headers: { 'accept-encoding': 'gzip' } });
      // The body is cancelled, because a stopping gateway waits until its responses have been read.
      await body?.cancel();
      expect([status, headers.get('content-encoding')]).toEqual([200, 'gzip']);
    }
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it('page: has no inline code, connects only to the gateway, and is never framed', async () => {
    const { headers } = await fetch(gateway.url, { headers: { accept: 'text/html' } });
    expect(headers.get('content-security-policy')?.split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
  });

  it.each([
    [{}, { testReceiver: true, playground: true }],
    [{ CALLBACK_RECEIVER: 'false' }, { testReceiver: false, playground: true }],
    [
      { NODE_ENV: 'production', PAGE: 'true' },
      { testReceiver: false, playground: false },
    ],
  ])('page: learns what the gateway serves with %o', async (environment, settings) => {
    await using gateway = await startVoucherGateway(environment);
    const page = await (await fetch(gateway.url, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain(`name="page-settings" content='${JSON.stringify(settings)}'`);
  });

  it('page: its views are not found by a client that is no browser', async () => {
    const response = await fetch(`${gateway.url}/vouchers`);
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'NOT_FOUND' }]);
  });

  it('page: is not served with another supergraph', async () => {
    await using gateway = await startTestGateway();
    const page = await (await fetch(gateway.url, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain('/playground/assets/');
    expect((await fetch(`${gateway.url}/vouchers`)).status).toBe(404);
  });

  it('page: is off in production, or by setting', async () => {
    await using production = await startVoucherGateway({ NODE_ENV: 'production' });
    await using other = await startVoucherGateway({ PAGE: 'false', PLAYGROUND: 'false' });
    for (const { url } of [production, other]) {
      const response = await fetch(url, { headers: { accept: 'text/html' } });
      expect(await response.json()).toEqual({ graphql: '/graphql' });
      const { status, body } = await fetch(`${url}/receivers/6f0f6d5e-6a3b-5b0c-9a51-0d6c7f9b2f10`);
      await body?.cancel();
      expect(status).toBe(url === production.url ? 404 : 200);
    }
  });
});

describe('production', () => {
  it('playground and introspection are off by default', async () => {
    await using gateway = await startTestGateway({ environment: { NODE_ENV: 'production' } });
    const page = await fetch(gateway.graphqlUrl, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).not.toContain('text/html');
    expect(await gateway.post('{ __schema { types { name } } }')).toMatchObject({
      errors: [{ extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }],
    });
    await using enabled = await startTestGateway({
      environment: { NODE_ENV: 'production', PLAYGROUND: 'true', INTROSPECTION: 'true' },
    });
    const shown = await fetch(enabled.graphqlUrl, { headers: { accept: 'text/html' } });
    expect(shown.headers.get('content-type')).toContain('text/html');
    expect(await enabled.post('{ __schema { queryType { name } } }')).toMatchObject({ status: 200 });
  });
});

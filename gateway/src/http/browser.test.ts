import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../testing/gateway.ts';

/** The allowed origin in the response to a preflight; null if pages of this origin may not call. */
async function preflight(url: string, origin: string): Promise<string | null> {
  const { headers } = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  return headers.get('access-control-allow-origin');
}

describe('origins', () => {
  it('only pages of allowed origins may call', async () => {
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

describe('playground', () => {
  it('is served to browsers with all its assets', async () => {
    await using gateway = await startTestGateway();
    for (const path of ['/', '/graphql']) {
      const response = await fetch(gateway.url + path, { headers: { accept: 'text/html,*/*;q=0.8' } });
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
      const page = await response.text();
      const assets = [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, asset]) => asset);
      expect(assets.length).toBeGreaterThan(0);
      expect(page).not.toMatch(/(src|href)="(https?:)?\/\//);
      for (const asset of assets) expect((await fetch(gateway.url + asset)).status).toBe(200);
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

import type { Environment } from '@voucher-gateway/platform/process/config';
import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { challengeOf, responsePath } from '@voucher-gateway/schema/vps-protocol';
import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { startTestIntegration } from './testing/integration.ts';

/** Starts voucher-integration with a provider that no test calls. */
async function serve(settings: Environment = {}) {
  const integration = await startTestIntegration({ settings, frozen: true });
  return {
    url: integration.url,
    log: integration.log,
    rows: async () => (await integration.engines.database.query.execute(sql`select * from provider_request`)).rows,
    /** Posts a callback. Returns the response's status and error code. */
    async callback(search: string, body: unknown) {
      const response = await fetch(`${integration.url}${responsePath}${search}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return [response.status, ((await response.json()) as { code?: string }).code];
    },
    [Symbol.asyncDispose]: () => integration[Symbol.asyncDispose](),
  };
}

httpServerContract(serve, [responsePath]);

const requestId = '6f2b3c1e-8f7a-4f0e-9d3e-2b1a0c9d8e7f';
const good = { codeVerifier: 'a'.repeat(43), status: 'SUCCESS', voucherCode: 'VC-1', message: 'ready' };
const forRequest = `?request=${requestId}`;

describe('hostile callbacks', () => {
  it.each([
    ['NUL in the code', forRequest, { ...good, voucherCode: 'VC\0' }, 400],
    ['a lone surrogate in the code', forRequest, { ...good, voucherCode: '\ud800' }, 400],
    ['a code beyond ASCII', forRequest, { ...good, voucherCode: 'VC-é' }, 400],
    ['a code of 257 characters', forRequest, { ...good, voucherCode: 'x'.repeat(257) }, 400],
    ['an empty code', forRequest, { ...good, voucherCode: '' }, 400],
    ['a code that is not a string', forRequest, { ...good, voucherCode: { toString: 'x' } }, 400],
    ['NUL in the verifier', forRequest, { ...good, codeVerifier: `${'a'.repeat(42)}\0` }, 400],
    ['a verifier that is a list', forRequest, { ...good, codeVerifier: ['a'.repeat(43)] }, 400],
    ['NUL in the message', forRequest, { ...good, message: '\0' }, 400],
    ['a lone surrogate in the message', forRequest, { ...good, message: '\udfff' }, 400],
    ['NUL in an unknown field', forRequest, { ...good, more: { deep: ['\0'] } }, 400],
    ['a status that does not exist', forRequest, { ...good, status: 'FAILED' }, 400],
    ['no body', forRequest, null, 400],
    ['a list', forRequest, [good], 400],
    ['NUL in the request', '?request=%00', good, 400],
    ['a lone surrogate in the request', '?request=%ED%A0%80', good, 404],
    ['a request that is not an id', "?request='%20or%201=1", good, 404],
    ['an empty request', '?request=', good, 404],
    ['two requests', `${forRequest}&request=${requestId}`, good, 404],
    ['a request of 5,000 characters', `?request=${'a'.repeat(5_000)}`, good, 404],
    ['a request that does not exist', forRequest, good, 404],
    ['an unknown verifier', '', good, 404],
    ['a request under another parameter', '?requestId=x&__proto__[request]=y', good, 404],
  ])('callback: rejects %s', async (_what, search, body, status) => {
    await using server = await serve();
    expect(await server.callback(search, body)).toEqual([status, status === 404 ? 'NOT_FOUND' : 'BAD_USER_INPUT']);
    expect(server.log.text).not.toContain('"level":"error"');
  });

  it('callback: rejects any JSON with 400 or 404, and stores nothing', async () => {
    await using server = await serve();
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('a'.repeat(43), 'SUCCESS', '\0', '\ud800'));
    const body = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.record(
        { codeVerifier: text, status: text, voucherCode: text, message: text, request: text },
        { requiredKeys: [] },
      ),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.option(text, { nil: null }), async (sent, request) => {
        const search = request === null ? '' : `?${new URLSearchParams({ request })}`;
        const [status] = await server.callback(search, sent);
        expect([400, 404]).toContain(status);
      }),
      {
        numRuns: 150,
        examples: [
          [good, requestId],
          [{ ...good, codeVerifier: challengeOf('a') }, null],
        ],
      },
    );
    expect(await server.rows()).toEqual([]);
    expect(server.log.text).not.toContain('"level":"error"');
  });
});

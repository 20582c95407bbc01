import { createClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createHttpServer } from '@voucher-gateway/platform/http/server';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { describe, expect, it } from 'vitest';
import { createLoopTurns } from '../scheduling/loop-turns.ts';
import { createSendBudget } from '../transports/backpressure.ts';
import { createDirectOperations, type DirectOperationsOptions } from './direct-operations.ts';

const body = JSON.stringify({ query: '{ hello }' });
const json = { 'content-type': 'application/json' };

/**
 * Starts a server with direct operations. For a request that the direct operations pass on, the server responds with
 * the `PassedRequest`: the body and the refusal.
 */
async function startServer(options: Partial<DirectOperationsOptions> = {}) {
  const direct = createDirectOperations({
    known: {
      find: ({ query }) => (query === '{ hello }' ? ({} as never) : null),
      answer: async () => ({ status: 200, retryAfter: null, text: 'direct' }),
    },
    contexts: { create: () => ({}), keep() {}, passesBack: false } as never,
    turns: createLoopTurns({}),
    addresses: createClientAddresses([]),
    budget: createSendBudget(1_000_000, silentLog),
    allowsOrigin: () => true,
    maxBodyBytes: 1_000_000,
    log: silentLog,
    ...options,
  });
  const app = createHttpServer({ log: silentLog, direct });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.route({
    method: ['GET', 'POST'],
    url: '/graphql',
    handler: async ({ raw }) => {
      const passed = direct.passed(raw);
      return { read: passed?.body?.toString() ?? null, refusal: passed?.refusal ? String(passed.refusal) : null };
    },
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const post = async (sent: string | ReadableStream, headers: Record<string, string> = json, path = '/graphql') => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers,
      body: sent,
      ...(typeof sent !== 'string' && { duplex: 'half' }),
    } as RequestInit);
    return response.text();
  };
  return { post, [Symbol.asyncDispose]: () => app.close() };
}

const unread = JSON.stringify({ read: null, refusal: null });
const read = (text: string) => JSON.stringify({ read: text, refusal: null });

describe('direct operations', () => {
  it('request: is answered if its operation is known', async () => {
    await using server = await startServer();
    expect(await server.post(body)).toBe('direct');
  });

  it.each<[what: string, headers: Record<string, string>, path?: string]>([
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['an Accept header for streams', { ...json, accept: 'text/event-stream, application/json;q=0.5' }],
    ['an Accept header for multipart', { ...json, accept: 'multipart/mixed;subscriptionSpec=1.0, application/json' }],
    ['an Accept header for images', { ...json, accept: 'image/png' }],
    ['a long Accept header', { ...json, accept: `application/json;x=${'y'.repeat(600)}` }],
    ['a query string', json, '/graphql?a=b'],
  ])('request: with %s is left to Fastify unread', async (_what, headers, path) => {
    await using server = await startServer();
    expect(await server.post(body, headers, path)).toBe(unread);
  });

  it('request: without a length is left to Fastify unread', async () => {
    await using server = await startServer();
    expect(await server.post(new Blob([body]).stream())).toBe(unread);
  });

  it.each([
    ['8 KiB', {}, 8_193],
    ['MAX_BODY_BYTES', { maxBodyBytes: 100 }, 101],
  ])('request: of more than %s is left to Fastify unread', async (_what, options, bytes) => {
    await using server = await startServer(options);
    expect(await server.post(body.padEnd(bytes - 1))).toBe('direct');
    expect(await server.post(body.padEnd(bytes))).toBe(unread);
  });

  it.each([
    ['an unknown operation', '{"query":"{ other }"}'],
    ['no JSON', '{"query":'],
    ['a batch', `[${body}]`],
    ['an own __proto__', '{"query":"{ hello }","variables":{"__proto__":1}}'],
    ['an escaped __proto__', '{"query":"{ hello }","variables":{"\\u005f_proto__":1}}'],
    ['an own constructor', '{"query":"{ hello }","variables":{"constructor":{"prototype":1}}}'],
  ])('request: with %s is passed on with its body', async (_what, sent) => {
    await using server = await startServer();
    expect(await server.post(sent)).toBe(read(sent));
  });

  it('request: is passed on with its refusal if there is no turn for it', async () => {
    const turns = createLoopTurns({ perTurn: 0, maxWaiting: 0 });
    await using server = await startServer({ turns });
    const { read, refusal } = JSON.parse(await server.post(body));
    expect(read).toBe(null);
    expect(refusal).toContain('Too many operations wait');
  });

  it('request: is passed on if its token can not be verified', async () => {
    const contexts = { create: () => Promise.reject(new Error('no store')), keep() {}, passesBack: false } as never;
    await using server = await startServer({ contexts });
    expect(await server.post(body)).toBe(read(body));
  });

  it('request: is left to Fastify if headers of subgraphs are passed back', async () => {
    await using server = await startServer({ contexts: { passesBack: true } as never });
    expect(await server.post(body)).toBe(unread);
  });
});

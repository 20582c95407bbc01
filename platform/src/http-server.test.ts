import type { FastifyInstance } from 'fastify';
import { expect, it } from 'vitest';
import { CodedError } from './errors.ts';
import { addHealthRoutes, assertPortFree, createHttpServer, listen } from './http-server.ts';
import { createMemoryLog } from './testing/log.ts';

async function serve(add: (app: FastifyInstance) => void) {
  const log = createMemoryLog();
  const app = createHttpServer({ log, bodyLimitBytes: 1_000, statusOf: (code) => (code === 'TAKEN' ? 409 : 500) });
  add(app);
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  return { url, log, port: Number(new URL(url).port), [Symbol.asyncDispose]: () => app.close() };
}
const problemOf = async (response: Response) => ({
  status: response.status,
  type: response.headers.get('content-type'),
  problem: await response.json(),
});
const type = 'application/problem+json; charset=utf-8';

it('answers a coded error as a problem document with its code, status and details', async () => {
  await using server = await serve((app) =>
    app.get('/', () => {
      throw new CodedError('TAKEN', 'This name is taken.', { details: { argument: 'name' } });
    }),
  );
  expect(await problemOf(await fetch(server.url))).toEqual({
    status: 409,
    type,
    problem: { type: 'about:blank', status: 409, code: 'TAKEN', title: 'This name is taken.', argument: 'name' },
  });
});

it('masks any other error, and logs it', async () => {
  await using server = await serve((app) =>
    app.get('/', () => {
      throw new Error('secret detail');
    }),
  );
  const answer = await problemOf(await fetch(server.url));
  expect(answer).toMatchObject({ status: 500, type, problem: { code: 'INTERNAL_SERVER_ERROR' } });
  expect(JSON.stringify(answer)).not.toContain('secret');
  expect(server.log.text).toContain('secret detail');
});

it.each([
  ['no JSON', '{', 'application/json', 400, 'BAD_USER_INPUT'],
  ['another content type', 'a', 'text/csv', 415, 'BAD_USER_INPUT'],
  ['a body over the limit', `"${'x'.repeat(2_000)}"`, 'application/json', 413, 'REQUEST_TOO_LARGE'],
])('refuses %s', async (_what, body, contentType, status, code) => {
  await using server = await serve((app) => app.post('/', () => 'never'));
  const response = await fetch(server.url, { method: 'POST', headers: { 'content-type': contentType }, body });
  expect(await problemOf(response)).toMatchObject({ status, type, problem: { status, code } });
});

it('says which methods an address takes', async () => {
  await using server = await serve((app) => app.post('/things', () => 'made'));
  const response = await fetch(`${server.url}/things?a=1`, { method: 'DELETE' });
  expect(response.headers.get('allow')).toBe('POST');
  expect(await problemOf(response)).toMatchObject({ status: 405, type, problem: { code: 'METHOD_NOT_ALLOWED' } });
});

it('says that nothing is at an unknown address', async () => {
  await using server = await serve(() => {});
  expect(await problemOf(await fetch(`${server.url}/x`))).toMatchObject({
    status: 404,
    problem: { code: 'NOT_FOUND' },
  });
});

it('tells that it lives, and is ready only while its engines answer', async () => {
  let isAway = false;
  await using server = await serve((app) =>
    addHealthRoutes(app, {
      database: async () => {
        if (isAway) throw new Error('away');
      },
      topics: async () => {},
    }),
  );
  const ready = async () => {
    const response = await fetch(`${server.url}/health/ready`);
    return [response.status, await response.json()];
  };
  expect(await ready()).toEqual([200, { status: 'ok' }]);
  isAway = true;
  expect(await ready()).toEqual([503, { status: 'unavailable', away: ['database'] }]);
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
});

it('names the setting of a port that is taken', async () => {
  await using server = await serve(() => {});
  const taken = { host: '127.0.0.1', port: server.port, setting: 'GATEWAY_PORT' };
  const refusal = {
    code: 'PORT_TAKEN',
    message: expect.stringContaining(`GATEWAY_PORT: port ${server.port} is taken`),
  };
  await expect(assertPortFree(taken)).rejects.toMatchObject(refusal);
  const app = createHttpServer({ log: createMemoryLog() });
  await expect(listen(app, taken)).rejects.toMatchObject(refusal);
  await assertPortFree({ ...taken, port: 0 });
});

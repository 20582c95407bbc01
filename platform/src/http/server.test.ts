import { expect, it } from 'vitest';
import { z } from 'zod';
import { CodedError } from '../errors.ts';
import { commonSettings, readConfig } from '../process/config.ts';
import { httpServerContract } from '../testing/contract/http-server.ts';
import { sendRaw } from '../testing/hostile/raw-http.ts';
import { serve } from '../testing/http-app.ts';
import { createMemoryLog } from '../testing/log.ts';
import { assertPortFree, listen } from './listen.ts';
import { createHttpServer, httpLimitsOf, refuseInvalidText } from './server.ts';

const problemOf = async (response: Response) => ({
  status: response.status,
  type: response.headers.get('content-type'),
  problem: await response.json(),
});
const type = 'application/problem+json; charset=utf-8';

it('http server: answers coded errors with problem documents', async () => {
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

it('http server: warns once about an engine that is down', async () => {
  await using server = await serve((app) =>
    app.get('/', () => {
      throw new CodedError('DATABASE_UNAVAILABLE', 'The database does not answer.', { retryable: true });
    }),
  );
  for (let time = 0; time < 5; time += 1) await fetch(server.url);
  expect(server.log.text.match(/"level":"warn".*request failed/g)).toHaveLength(1);
  expect(server.log.text).not.toContain('"level":"error"');
});

it('http server: masks and logs any other error', async () => {
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
  ['invalid JSON', '{', 'application/json', 400, 'BAD_USER_INPUT'],
  ['another content type', 'a', 'text/csv', 415, 'BAD_USER_INPUT'],
  ['a body over the limit', `"${'x'.repeat(2_000)}"`, 'application/json', 413, 'REQUEST_TOO_LARGE'],
])('http server: rejects %s', async (_what, body, contentType, status, code) => {
  await using server = await serve((app) => app.post('/', () => 'never'));
  const response = await fetch(server.url, { method: 'POST', headers: { 'content-type': contentType }, body });
  expect(await problemOf(response)).toMatchObject({ status, type, problem: { status, code } });
});

it('http server: names the allowed methods of an address', async () => {
  await using server = await serve((app) => app.post('/things', () => 'made'));
  const response = await fetch(`${server.url}/things?a=1`, { method: 'DELETE' });
  expect(response.headers.get('allow')).toBe('POST');
  expect(await problemOf(response)).toMatchObject({ status: 405, type, problem: { code: 'METHOD_NOT_ALLOWED' } });
});

it('http server: answers 404 for an unknown address', async () => {
  await using server = await serve(() => {});
  expect(await problemOf(await fetch(`${server.url}/x`))).toMatchObject({
    status: 404,
    problem: { code: 'NOT_FOUND' },
  });
});

it('http server: names HOST if it is not an address of this machine', async () => {
  // 192.0.2.0/24 is reserved for documentation, so that no machine has this address.
  const refused = assertPortFree({ host: '192.0.2.1', port: 0, setting: 'PORT' });
  await expect(refused).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'HOST: 192.0.2.1 is not an address of this machine.',
  });
});

it('http server: names the setting of a port that is in use', async () => {
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

httpServerContract(
  (environment) =>
    serve(
      (app) => {
        app.addHook('preValidation', refuseInvalidText);
        app.post('/things', () => ({ made: true }));
      },
      { limits: httpLimitsOf(readConfig(z.object(commonSettings), environment)) },
    ),
  ['/things'],
);

it.each([
  ['a broken escape', 'GET /% HTTP/1.1\r\nhost: a\r\n\r\n', 400, 'BAD_REQUEST'],
  ['text that is not HTTP', 'nonsense\r\n\r\n', 400, 'BAD_REQUEST'],
  ['two Hosts', 'GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n', 400, 'BAD_REQUEST'],
  ['an invalid Host', 'GET / HTTP/1.1\r\nhost: a/b\r\n\r\n', 400, 'BAD_REQUEST'],
  ['a head over the limit', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'REQUEST_TOO_LARGE'],
])('http server: answers %s with a problem document', async (_what, bytes, status, code) => {
  await using server = await serve((app) => app.get('/', () => 'served'));
  const { statuses, text } = await sendRaw(server.url, bytes);
  expect(statuses).toEqual([status]);
  expect(text).toMatch(/content-type: application\/problem\+json/i);
  expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ type: 'about:blank', status, code });
});

it('http server: serves HTTP/1.0 without a Host, and an empty Host', async () => {
  await using server = await serve((app) => app.post('/', ({ hostname, protocol }) => `${protocol}://${hostname}/`));
  for (const head of ['POST / HTTP/1.0', 'POST / HTTP/1.1\r\nhost:']) {
    const { statuses, text } = await sendRaw(
      server.url,
      `${head}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
    );
    expect(statuses).toEqual([200]);
    expect(text).toContain('http://host.invalid/');
  }
});

it.each([
  ['a valid one', 'Root=1-67891233-abc:def+/@~._', true],
  ['a too long one', 'a'.repeat(129), false],
  ['one with a quote', 'a"b', false],
  ['one with a space', 'a b', false],
  ['an empty one', '', false],
])('http server: returns and logs a request id: %s', async (_what, id, isTaken) => {
  await using server = await serve((app) =>
    app.get('/fails', () => {
      throw new Error('secret detail');
    }),
  );
  const response = await fetch(`${server.url}/fails`, { headers: { 'x-request-id': id } });
  const answered = response.headers.get('x-request-id') ?? '';
  if (isTaken) expect(answered).toBe(id);
  else expect(answered).toMatch(/^[0-9a-f-]{36}$/);
  const lines = server.log.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { message?: string; msg?: string; requestId?: string; route?: string });
  expect(lines.map(({ requestId }) => requestId)).toEqual([answered, answered]);
  expect(lines[1]).toMatchObject({ method: 'GET', route: '/fails', status: 500 });
});

it('http server: forbids caching, unless a route allows it', async () => {
  await using server = await serve((app) => {
    app.get('/secret', () => 'token');
    app.get('/keys', (_request, reply) => reply.header('cache-control', 'public, max-age=60').send('keys'));
  });
  const cacheControl = async (path: string) => (await fetch(server.url + path)).headers.get('cache-control');
  expect(await cacheControl('/secret')).toBe('no-store');
  expect(await cacheControl('/nowhere')).toBe('no-store');
  expect(await cacheControl('/keys')).toBe('public, max-age=60');
});

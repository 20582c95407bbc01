import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { serve } from '../testing/http-app.ts';
import { createReadiness } from './readiness.ts';

it('http server: reports readiness, and closes connections once retired', async () => {
  let isAway = false;
  const database = () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve());
  const ask = async (url: string) => {
    const response = await fetch(`${url}/health/ready`);
    return [response.status, response.headers.get('connection'), await response.json()];
  };
  const readiness = createReadiness({ required: { database } });
  await using server = await serve(() => {}, { readiness });
  expect(await ask(server.url)).toEqual([200, 'keep-alive', { status: 'ok', engines: { database: 'ok' } }]);
  readiness.retire();
  expect(await ask(server.url)).toEqual([503, 'close', { status: 'stopping', engines: { database: 'ok' } }]);
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  isAway = true;
  await using other = await serve(() => {}, { readiness: createReadiness({ required: { database } }) });
  expect(await ask(other.url)).toEqual([503, 'keep-alive', { status: 'unavailable', engines: { database: 'away' } }]);
});

it('http server: serves a request during its close, then closes the connection', async () => {
  // Regression: the response was Fastify's own 503, without a code, so that clients did not know to retry.
  await using server = await serve((app) => app.get('/', () => 'served'));
  const accepted = once(server.app.server, 'connection');
  const socket = connect({ host: '127.0.0.1', port: server.port });
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n');
  const [taken] = await accepted;
  await expect.poll(() => taken.bytesRead).toBeGreaterThan(0);
  const closed = server.app.close();
  await expect.poll(() => server.app.server.listening).toBe(false);
  socket.write('\r\n');
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  expect(answer.toLowerCase()).toContain('connection: close');
  expect(answer).toMatch(/served$/);
  await closed;
});

it('http server: is not live while there are failures, and lists them', async () => {
  const failures: { code: string; message: string }[] = [];
  await using server = await serve(() => {}, { failures: () => failures });
  const live = async () => {
    const response = await fetch(`${server.url}/health/live`);
    return { status: response.status, body: await response.json() };
  };
  expect(await live()).toEqual({ status: 200, body: { status: 'ok' } });
  failures.push({ code: 'CONSUMER_STOPPED', message: 'It stopped.' });
  expect(await live()).toEqual({ status: 503, body: { status: 'failed', failures } });
});

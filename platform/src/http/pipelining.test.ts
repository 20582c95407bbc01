import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { silentLog } from '../process/log.ts';
import { listen } from './listen.ts';
import { createHttpServer } from './server.ts';

async function serve() {
  const app = createHttpServer({ log: silentLog });
  const slow = { asked: Promise.withResolvers<void>(), answer: Promise.withResolvers<void>() };
  let quick = 0;
  app.get('/slow', async () => {
    slow.asked.resolve();
    await slow.answer.promise;
    return 'slow';
  });
  app.get('/quick', () => {
    quick += 1;
    return 'quick';
  });
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  return { slow, port: Number(new URL(url).port), quick: () => quick, [Symbol.asyncDispose]: () => app.close() };
}
const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;

it('http server: starts a request only after the response to the previous one', async () => {
  await using server = await serve();
  const socket = connect(server.port, '127.0.0.1');
  let text = '';
  const answers = () => text.match(/HTTP\/1\.1 200/g)?.length ?? 0;
  const ended = Promise.withResolvers<void>();
  socket.on('close', ended.resolve);
  socket.on('data', (chunk) => {
    text += String(chunk);
    if (answers() === 4) ended.resolve();
  });
  socket.write(get('/slow') + get('/quick').repeat(3));
  await server.slow.asked.promise;
  server.slow.answer.resolve();
  await ended.promise;
  expect(server.quick()).toBe(0);
  expect(answers()).toBe(1);
  expect(text).toMatch(/connection: close.*slow$/s);
});

it('http server: disconnects a client that pipelines many requests', async () => {
  // Regression: 9,000 pipelined requests on each of 50 connections made all other clients wait for 40 s.
  await using server = await serve();
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(get('/slow') + get('/quick').repeat(1_000));
  await once(socket, 'close');
  expect(server.quick()).toBe(0);
});

it('http server: answers many sequential requests of a connection', async () => {
  await using server = await serve();
  const socket = connect(server.port, '127.0.0.1');
  for (let count = 1; count <= 50; count += 1) {
    socket.write(get('/quick'));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200/);
  }
  expect(server.quick()).toBe(50);
  socket.destroy();
});

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { serve } from '@voucher-gateway/platform/testing/http-app';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { expect, it } from 'vitest';
import { createSendBudget } from './backpressure.ts';
import { createOpenConnections } from './connections.ts';
import { HttpStream, type HttpStreamOptions } from './http-stream.ts';
import { serverSentEvents } from './stream-formats.ts';

const event = JSON.stringify({ data: { text: 'x'.repeat(1_000_000) } });
const unlimited = Number.POSITIVE_INFINITY;

// Regression: each wait for a slow client left a listener, until the stream was closed.
it('http stream: leaves no listeners after waiting for a slow client', async () => {
  const log = createMemoryLog();
  const connections = createOpenConnections(
    { total: unlimited, perAddress: unlimited, anonymousPerAddress: unlimited },
    log,
  );
  const budget = createSendBudget(unlimited, log);
  const options = { connections, gate: {}, log, maxBufferedBytes: unlimited, budget } as unknown as HttpStreamOptions;
  const opened = Promise.withResolvers<{ stream: HttpStream; raw: ServerResponse }>();
  await using server = await serve((app) =>
    app.get('/', (_request, reply) => {
      const stream = HttpStream.tryOpen(reply, serverSentEvents, { address: '127.0.0.1', isAnonymous: true }, options);
      if (!stream) throw new Error('the stream was refused');
      const start = () => opened.resolve({ stream, raw: reply.raw });
      return stream.answer({ start, [Symbol.dispose]() {} });
    }),
  );
  const client = connect({ host: '127.0.0.1', port: server.port });
  client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const { stream, raw } = await opened.promise;
  const listeners = () => ['drain', 'close'].map((name) => raw.listenerCount(name));
  const before = listeners();
  for (let time = 0; time < 3; time += 1) {
    client.pause();
    while (!raw.writableNeedDrain) stream.next(event, null);
    const flushed = stream.flushed();
    client.resume();
    await flushed;
  }
  expect(listeners()).toEqual(before);
  client.destroy();
  await once(raw, 'close');
});

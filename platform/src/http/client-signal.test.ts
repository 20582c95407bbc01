import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { createClientSignal } from './client-signal.ts';

/** Sends a request. The test then disconnects the client, or sends the response. */
async function ask() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1' });
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  return {
    response,
    /** Disconnects the client, and resolves when the server has noticed it. */
    async leave() {
      client.destroy();
      await once(response, 'close');
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

it('client signal: aborts when the client disconnects', async () => {
  await using request = await ask();
  const signal = createClientSignal(request.response);
  expect(signal.aborted).toBe(false);
  await request.leave();
  expect(signal).toMatchObject({ aborted: true, reason: { code: 'SERVICE_UNAVAILABLE', retryable: true } });
});

it('client signal: has aborted if the client had disconnected before', async () => {
  await using request = await ask();
  await request.leave();
  expect(createClientSignal(request.response).aborted).toBe(true);
});

it('client signal: does not abort once the response was sent', async () => {
  await using request = await ask();
  const signal = createClientSignal(request.response);
  request.response.end('answer');
  await once(request.response, 'close');
  expect(signal.aborted).toBe(false);
});

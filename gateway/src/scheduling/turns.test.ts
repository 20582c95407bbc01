import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../testing/gateway.ts';

const many = 100;
// The loopback interface has all addresses of 127.0.0.0/8, so two clients can have different addresses.
const [crowd, single] = ['127.0.0.2', '127.0.0.3'];

describe('http', () => {
  it('a client is answered before most of another address’s earlier burst', async () => {
    await using gateway = await startTestGateway();
    await using sockets = new AsyncDisposableStack();
    const { port } = new URL(gateway.url);
    const open = async (localAddress: string) => {
      const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress });
      sockets.defer(() => void socket.destroy());
      await once(socket, 'connect');
      return socket;
    };
    const clients = await Promise.all([...Array.from({ length: many }, () => open(crowd)), open(single)]);
    const body = JSON.stringify({ query: '{ __typename }' });
    const head = `POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
    // The query is sent once before the test, so that its plan is cached.
    await fetch(`${gateway.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const answers: string[] = [];
    const answered = clients.map(async (socket) => {
      const [data] = await once(socket, 'data');
      expect(String(data)).toMatch(/^HTTP\/1.1 200 /);
      answers.push(socket.localAddress ?? '');
    });
    for (const socket of clients) socket.write(`${head}\r\n\r\n${body}`);
    await Promise.all(answered);
    expect(answers).toHaveLength(many + 1);
    expect(answers.indexOf(single)).toBeLessThan(many / 2);
  });
});

describe('websocket', () => {
  it('a client is answered before most of another’s earlier burst', async () => {
    await using gateway = await startTestGateway();
    await using sockets = new AsyncDisposableStack();
    const open = async (localAddress: string) => {
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        localAddress,
      });
      sockets.defer(() => socket.terminate());
      await once(socket, 'open');
      socket.send('{"type":"connection_init"}');
      await once(socket, 'message');
      return { socket, localAddress };
    };
    const clients = await Promise.all([...Array.from({ length: many }, () => open(crowd)), open(single)]);
    // The query is sent once before the test, so that its plan is cached. Without a cached plan, all operations would
    // wait for the same plan, and continue at the same time.
    const body = JSON.stringify({ query: '{ __typename }' });
    await fetch(`${gateway.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const answers: string[] = [];
    const answered = clients.map(async ({ socket, localAddress }) => {
      const [data] = await once(socket, 'message');
      expect(JSON.parse(String(data))).toMatchObject({ type: 'next', payload: { data: { __typename: 'Query' } } });
      answers.push(localAddress);
    });
    for (const { socket } of clients) socket.send('{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}');
    await Promise.all(answered);
    expect(answers).toHaveLength(many + 1);
    expect(answers.indexOf(single)).toBeLessThan(many / 2);
  });

  it('handles one message of a socket per turn of the event loop', async () => {
    // Regression: messages of a socket that arrived together were handled in one turn of the event loop. So a socket
    // with many operations delayed all other clients.
    await using gateway = await startTestGateway();
    const socket = new WebSocket(gateway.socketUrl, 'graphql-transport-ws');
    await once(socket, 'open');
    let pongs = 0;
    const answered = Promise.withResolvers<void>();
    socket.on('message', () => {
      pongs += 1;
      if (pongs === 500) answered.resolve();
    });
    for (let index = 0; index < 500; index += 1) socket.send('{"type":"ping"}');
    let turns = 0;
    let isAnswered = false;
    void answered.promise.then(() => {
      isAnswered = true;
    });
    for (; !isAnswered; turns += 1) await new Promise(setImmediate);
    expect(turns).toBeGreaterThan(450);
    socket.terminate();
  });
});

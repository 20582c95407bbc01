import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestGateway } from '../testing/gateway.ts';

const many = 100;
// All of 127.0.0.0/8 is the loopback interface.
const [crowd, single] = ['127.0.0.2', '127.0.0.3'];

it('http: a client is answered before most of another address’s earlier burst', async () => {
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
  // Planned in advance.
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

it('websocket: a client is answered before most of another’s earlier burst', async () => {
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

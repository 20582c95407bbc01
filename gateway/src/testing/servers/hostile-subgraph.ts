import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

/** A response as raw bytes. */
export interface HostileAnswer {
  name: string;
  bytes: string | Buffer;
  /** Bytes that are sent repeatedly after `bytes`, for as long as the gateway reads. */
  repeats?: string;
  /** How the connection ends. Default: it is closed. */
  ending?: 'close' | 'reset' | 'hang';
}

/** Starts a subgraph that responds to every call with bytes that the test has set. */
export async function startHostileSubgraph() {
  const sockets = new Set<Socket>();
  let answer: HostileAnswer = { name: 'nothing yet', bytes: '' };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      // The gateway sends JSON, so a chunk that ends with `}` completes the request.
      if (String(data).endsWith('}')) send(socket, answer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    answerWith(next: HostileAnswer) {
      answer = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(socket: Socket, { bytes, repeats, ending = 'close' }: HostileAnswer): void {
  socket.write(bytes);
  if (repeats !== undefined) {
    const more = () => {
      while (!socket.destroyed && socket.write(repeats));
    };
    socket.on('drain', more);
    more();
    return;
  }
  if (ending === 'close') socket.end();
  if (ending === 'reset') socket.resetAndDestroy();
}

const head = (status: string, ...headers: string[]) =>
  `HTTP/1.1 ${status}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
const json = (text: string | Buffer, status = '200 OK', ...headers: string[]) =>
  Buffer.concat([
    Buffer.from(
      head(status, 'content-type: application/json', `content-length: ${Buffer.byteLength(text)}`, ...headers),
    ),
    Buffer.from(text),
  ]);
const chunked = head('200 OK', 'content-type: application/json', 'transfer-encoding: chunked');
const stack = 'Error: boom\\n    at resolve (/srv/people/src/resolvers.ts:12:3)';

/** Responses to `{ hello }`, a field of type String. */
export const hostileAnswers: readonly HostileAnswer[] = [
  { name: 'nothing', bytes: '' },
  { name: 'nothing, by a reset', bytes: '', ending: 'reset' },
  { name: 'not HTTP', bytes: 'SSH-2.0-OpenSSH_9.2\r\n' },
  { name: 'a TLS alert', bytes: Buffer.from('15030100020228', 'hex') },
  { name: 'a page', bytes: json('<html>It works!</html>') },
  { name: 'half a JSON text', bytes: json('{"data":{"hel') },
  { name: 'a number', bytes: json('7') },
  { name: 'null', bytes: json('null') },
  { name: 'a list', bytes: json('[{"data":{"hello":"hello"}}]') },
  { name: 'an empty object', bytes: json('{}') },
  { name: 'data that is a string', bytes: json('{"data":"hello"}') },
  { name: 'data without the field', bytes: json('{"data":{}}') },
  {
    name: 'a field that is an object',
    bytes: json('{"data":{"hello":{"secret":"SELECT * FROM users WHERE id = 1"}}}'),
  },
  { name: 'a field that is a list', bytes: json('{"data":{"hello":[1,2,3]}}') },
  { name: 'a prototype', bytes: json('{"data":{"__proto__":{"hello":"x"},"constructor":{"prototype":1}}}') },
  { name: 'lists nested 100,000 deep', bytes: json(`{"data":{"hello":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`) },
  { name: 'errors that are a text', bytes: json('{"data":null,"errors":"no"}') },
  { name: 'errors of nulls', bytes: json('{"data":null,"errors":[null,1,"x"]}') },
  {
    name: '100,000 errors',
    bytes: json(`{"data":null,"errors":[${'{"message":"no"},'.repeat(99_999)}{"message":"no"}]}`),
  },
  {
    name: 'an error with a stack',
    bytes: json(
      `{"data":null,"errors":[{"message":"Cannot read properties of undefined","extensions":{"code":"INTERNAL_SERVER_ERROR","stacktrace":["${stack}"],"exception":{"stacktrace":["${stack}"]}}}]}`,
    ),
  },
  {
    name: 'an error with SQL',
    bytes: json(
      '{"data":null,"errors":[{"message":"Failed query: select * from people where id = $1","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}',
    ),
  },
  {
    name: 'an error that names an address',
    bytes: json(
      '{"data":null,"errors":[{"message":"connect ECONNREFUSED 10.0.0.7:5432","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}',
    ),
  },
  {
    name: 'an error with an HTTP status for the whole answer',
    bytes: json(
      '{"data":{"hello":null},"errors":[{"message":"no","extensions":{"code":"CLOSED","http":{"status":100}}}]}',
    ),
  },
  {
    name: 'an error whose extensions are nested 100,000 deep',
    bytes: json(
      `{"data":{"hello":null},"errors":[{"message":"no","extensions":{"code":"CLOSED","deep":${'['.repeat(100_000)}${']'.repeat(100_000)}}}]}`,
    ),
  },
  {
    name: 'an error whose message is an object',
    bytes: json('{"data":null,"errors":[{"message":{"a":1},"path":"x","locations":7}]}'),
  },
  {
    name: 'an error whose path is not of the operation',
    bytes: json('{"data":{"hello":"x"},"errors":[{"message":"no","path":["__proto__",-1,{}]}]}'),
  },
  {
    name: 'a redirect inside',
    bytes: head('302 Found', 'location: http://169.254.169.254/latest/', 'content-length: 0'),
  },
  { name: 'a failure with a page', bytes: json('<h1>Internal error at /srv/app/index.js:1</h1>', '500 Broken') },
  { name: 'no content', bytes: head('204 No Content') },
  { name: 'a status that does not exist', bytes: json('{"data":{"hello":"x"}}', '999 Beyond') },
  { name: 'NUL in a header', bytes: head('200 OK', 'x: a\0b', 'content-length: 0') },
  { name: 'a header of 1 MB', bytes: head('200 OK', `x: ${'x'.repeat(1_000_000)}`) },
  { name: 'headers without an end', bytes: 'HTTP/1.1 200 OK\r\n', repeats: 'x: y\r\n'.repeat(500) },
  { name: 'bytes that are not UTF-8', bytes: json(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])) },
  {
    name: 'gzip that was not requested',
    bytes: json(gzipSync('{"data":{"hello":"x"}}'), '200 OK', 'content-encoding: gzip'),
  },
  { name: 'less than it said', bytes: head('200 OK', 'content-length: 1000') },
  { name: 'two lengths that differ', bytes: head('200 OK', 'content-length: 2', 'content-length: 3').concat('{}') },
  { name: 'a chunk whose size is not a number', bytes: chunked.concat('zz\r\n{}\r\n') },
  { name: 'a body that is cut off', bytes: chunked.concat('5\r\n{"dat\r\n'), ending: 'reset' },
  { name: 'a body without an end', bytes: chunked, repeats: `4000\r\n${' '.repeat(0x4000)}\r\n` },
  { name: 'no response at all', bytes: '', ending: 'hang' },
  { name: 'headers, and no body', bytes: head('200 OK', 'content-length: 1000'), ending: 'hang' },
];

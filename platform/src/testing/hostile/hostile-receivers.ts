import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';

export interface HostileReceiver {
  name: string;
  /**
   * The part of the response that never ends, so that only a time-out ends the call. Default: the call ends without a
   * time-out.
   */
  slow?: 'head' | 'body';
  answer(socket: Socket): void;
}

const says = (name: string, ...pieces: (string | Buffer)[]): HostileReceiver => ({
  name,
  answer: (socket) => {
    for (const piece of pieces) socket.write(piece);
    socket.end();
  },
});
/** Writes the piece repeatedly, for as long as the other side reads. */
const endless = (name: string, opening: string, piece: string): HostileReceiver => ({
  name,
  answer: (socket) => {
    socket.write(opening);
    const more = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', more);
    more();
  },
});
/** Writes the opening, and then the piece once per second. */
const slowly = (name: string, slow: 'head' | 'body', opening: string, piece: string): HostileReceiver => ({
  name,
  slow,
  answer: (socket) => {
    socket.write(opening);
    const timer = setInterval(() => socket.write(piece), 1_000);
    socket.once('close', () => clearInterval(timer));
  },
});
const head = (status: string, ...headers: string[]) =>
  `HTTP/1.1 ${status}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;

/** Users choose the receivers of callbacks. A receiver's responses must not affect other users. */
export const hostileReceivers: readonly HostileReceiver[] = [
  { name: 'hangs up at once', answer: (socket) => socket.resetAndDestroy() },
  { name: 'closes without a word', answer: (socket) => socket.end() },
  says('speaks no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'),
  says('answers by TLS', Buffer.from('15030100020228', 'hex')),
  says('answers HTTP/0.9', 'hello'),
  says('answers a status that does not exist', head('999 Beyond')),
  says('answers a status that is not a number', head('2xx Fine')),
  says('answers NUL in a header', head('200 OK', 'x: a\0b')),
  says('answers a header of 1 MB', head('200 OK', `x: ${'x'.repeat(1_000_000)}`)),
  endless('answers headers without an end', 'HTTP/1.1 200 OK\r\n', 'x: y\r\n'.repeat(500)),
  endless('answers 103 without an end', '', head('103 Early Hints').repeat(200)),
  endless(
    'answers a body without an end',
    head('200 OK', 'transfer-encoding: chunked'),
    '400\r\n'.concat('x'.repeat(1_024), '\r\n'),
  ),
  endless(
    'answers a failure whose body has no end',
    head('500 Broken', 'transfer-encoding: chunked'),
    '400\r\n'.concat('x'.repeat(1_024), '\r\n'),
  ),
  says('answers a chunk whose size is not a number', head('200 OK', 'transfer-encoding: chunked'), 'zz\r\n\r\n'),
  says('answers two lengths that differ', head('200 OK', 'content-length: 1', 'content-length: 2'), 'ab'),
  says('answers less than it said', head('200 OK', 'content-length: 1000'), 'x'),
  says('answers more than it said', head('200 OK', 'content-length: 1'), 'x'.repeat(10_000)),
  says(
    'answers a bomb of gzip',
    head('500 Broken', 'content-encoding: gzip', 'connection: close'),
    gzipSync(Buffer.alloc(10_000_000)),
  ),
  says(
    'answers a bomb of brotli',
    head('500 Broken', 'content-encoding: br', 'connection: close'),
    brotliCompressSync(Buffer.alloc(10_000_000)),
  ),
  says(
    'answers gzip in gzip',
    head('500 Broken', 'content-encoding: gzip, gzip', 'connection: close'),
    gzipSync(gzipSync(Buffer.alloc(10_000_000))),
  ),
  says('answers a body that is not the gzip it says', head('500 Broken', 'content-encoding: gzip'), 'no gzip'),
  says('answers a body of NUL and invalid UTF-8', head('500 Broken'), Buffer.from('610062ff63', 'hex')),
  says('answers 10,000 headers', head('200 OK', ...Array(10_000).fill('x: y'))),
  says('answers HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  says('answers half a head', 'HTTP/1.1 200 OK\r\ncontent-le'),
  says('answers a request', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n'),
  says('asks for a password', head('401 Who', 'www-authenticate: Basic realm="x"', 'content-length: 0')),
  says('redirects to itself', head('302 Found', 'location: /', 'content-length: 0')),
  says(
    'redirects to an address inside',
    head('307 Elsewhere', 'location: http://169.254.169.254/latest/', 'content-length: 0'),
  ),
  says('asks to be tried in a million years', head('503 Busy', 'retry-after: 99999999999999', 'content-length: 0')),
  says('asks to be tried before now', head('503 Busy', 'retry-after: -1', 'content-length: 0')),
  says('asks to be tried at an invalid date', head('503 Busy', 'retry-after: Thu, 99 Foo 9999', 'content-length: 0')),
  says(
    'upgrades unasked',
    head('101 Switching Protocols', 'upgrade: websocket', 'connection: upgrade'),
    Buffer.from('8100', 'hex'),
  ),
  says('answers twice', head('200 OK', 'content-length: 0'), head('500 Broken', 'content-length: 0')),
  { name: 'never answers', slow: 'head', answer: () => {} },
  slowly('answers a head of one byte per second', 'head', '', 'H'),
  slowly('answers a body of one byte per second', 'body', head('200 OK', 'content-length: 1000'), 'x'),
  slowly('answers a failure of one byte per second', 'body', head('500 Broken', 'content-length: 1000'), 'x'),
];

export interface ListeningReceiver extends AsyncDisposable {
  readonly url: string;
  /** Resolves once the receiver has been called, and has begun to answer. */
  readonly called: Promise<void>;
}

/** Starts the receiver. Use it with `await using`. */
export async function listen({ answer }: HostileReceiver): Promise<ListeningReceiver> {
  const sockets = new Set<Socket>();
  const called = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    socket.once('data', () => {
      answer(socket);
      called.resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    called: called.promise,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

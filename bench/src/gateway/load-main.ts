import { connect } from 'node:net';

// Repeats one request on several connections, each time as soon as the previous one is answered. The parent process
// gets the latencies of the requests after the warm-up, and the number of all requests.

interface LoadRequest {
  port: number;
  path: string;
  body: string;
  connections: number;
  warmUpMs: number;
  ms: number;
}

process.on('message', (load: LoadRequest) => {
  const { port, path, body, connections, warmUpMs, ms } = load;
  const request = Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\naccept: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const startedAt = performance.now();
  const measuredAt = startedAt + warmUpMs;
  const endAt = measuredAt + ms;
  const latencies: number[] = [];
  let failed = 0;
  let answered = 0;
  let open = connections;
  const close = () => {
    open -= 1;
    if (open === 0) process.send?.({ latencies, failed, answered });
  };
  for (let index = 0; index < connections; index += 1) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let received = '';
    let expected = -1;
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      if (sentAt > endAt) return socket.end();
      received = '';
      expected = -1;
      socket.write(request);
    };
    socket.setEncoding('latin1');
    socket.on('connect', send);
    socket.on('error', () => (failed += 1));
    socket.on('close', close);
    socket.on('data', (chunk) => {
      received += chunk;
      if (expected === -1) {
        const head = received.indexOf('\r\n\r\n');
        if (head === -1) return;
        expected = head + 4 + Number(/content-length: (\d+)/i.exec(received)?.[1] ?? Number.NaN);
        if (!received.startsWith('HTTP/1.1 200') || Number.isNaN(expected)) failed += 1;
      }
      if (received.length < expected) return;
      answered += 1;
      if (sentAt > measuredAt) latencies.push(performance.now() - sentAt);
      send();
    });
  }
});
process.send?.({ isReady: true });

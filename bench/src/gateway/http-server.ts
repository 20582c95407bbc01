import { createServer, type Server, type Socket } from 'node:net';

/**
 * Creates an HTTP server for benchmarks that takes little CPU time. It ignores all headers except the content length.
 * It responds with JSON.
 *
 * @param answer returns the JSON response for a request's body
 */
export function createBareServer(answer: (body: string) => Buffer | Promise<Buffer>): Server {
  return createServer({ noDelay: true }, (socket) => {
    let received = '';
    let working = Promise.resolve();
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received += chunk;
      for (let request = takeRequest(); request !== null; request = takeRequest()) {
        const body = Buffer.from(request, 'latin1').toString();
        const json = answer(body);
        // Responses keep the order of requests.
        if (json instanceof Promise)
          working = working.then(async () => send(socket, await json)).catch(() => void socket.destroy());
        else send(socket, json);
      }
    });
    const takeRequest = (): string | null => {
      const head = received.indexOf('\r\n\r\n');
      if (head === -1) return null;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, head))?.[1] ?? 0);
      if (received.length < head + 4 + length) return null;
      const body = received.slice(head + 4, head + 4 + length);
      received = received.slice(head + 4 + length);
      return body;
    };
  });
}

function send(socket: Socket, json: Buffer): void {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head, 'latin1'), json]));
}

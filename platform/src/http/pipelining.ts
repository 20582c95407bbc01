import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Limit of pipelined requests that are dropped per connection. If a client sends more, the connection is closed
 * immediately, even before the pending response is sent.
 */
const maxDropped = 10;

/**
 * Serves one request at a time per connection. Node would start all pipelined requests concurrently, and one client
 * could delay all others. Pipelined requests are dropped, and the connection is closed after the pending response.
 *
 * @see RFC 9112 section 9.3.2: clients resend requests that got no response
 */
export function refusePipelining(listener: RequestListener): RequestListener {
  const latest = new WeakMap<Socket, { response: ServerResponse; dropped: number }>();
  return (request, response) => {
    const { socket } = request;
    const before = latest.get(socket);
    if (!before || (before.dropped === 0 && before.response.writableFinished)) {
      latest.set(socket, { response, dropped: 0 });
      return listener(request, response);
    }
    before.dropped += 1;
    if (before.dropped === 1) closeBehind(before.response, socket);
    // Node keeps dropped requests in memory until the connection closes.
    if (before.dropped > maxDropped) socket.destroy();
  };
}

function closeBehind(response: ServerResponse, socket: Socket): void {
  socket.pause();
  if (!response.headersSent) response.setHeader('connection', 'close');
  response.once('close', () => socket.destroySoon());
}

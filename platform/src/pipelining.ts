import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of a connection that are dropped, until it is cut off without the answer that they did not wait for. */
const maxDropped = 10;

/**
 * Serves one request at a time on each connection. Requests that come before the answer to the one before (pipelining)
 * are dropped, nothing more is read, and the connection is closed behind that answer. Node would start them all at
 * once: a single client would then keep everybody else waiting.
 *
 * @see RFC 9112 section 9.3.2: clients send again what was not answered before the connection closed
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
    // Node keeps each of them for as long as the connection lasts.
    if (before.dropped > maxDropped) socket.destroy();
  };
}

function closeBehind(response: ServerResponse, socket: Socket): void {
  socket.pause();
  if (!response.headersSent) response.setHeader('connection', 'close');
  response.once('close', () => socket.destroySoon());
}

import type { ServerResponse } from 'node:http';

/**
 * Returns a signal that aborts when the client disconnects before the response was sent, even if that happened before
 * the call. Fastify's `request.signal` follows the request's own `close`, which says nothing about the client after the
 * body.
 */
export function createClientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new DOMException('The client has disconnected', 'AbortError'));
  };
  if (response.closed || response.destroyed) onClose();
  else response.once('close', onClose);
  return controller.signal;
}

import type { ServerResponse } from 'node:http';

/**
 * Aborts when the client is gone before its answer was sent, also where it left before this was called. Fastify's
 * `request.signal` does not: it follows the request's own `close`, which is no sign of the client once the body was
 * read.
 */
export function createClientSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const onClose = () => {
    if (!response.writableFinished) controller.abort(new DOMException('The client is gone', 'AbortError'));
  };
  if (response.closed || response.destroyed) onClose();
  else response.once('close', onClose);
  return controller.signal;
}

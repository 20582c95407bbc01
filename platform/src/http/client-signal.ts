import type { ServerResponse } from 'node:http';
import { CodedError } from '../errors.ts';

const clientSignal = Symbol('signal of the client');

/**
 * Returns a signal that aborts when the client disconnects before the response was sent, even if that happened before
 * the call; always the same one for a response. Fastify's `request.signal` follows the request's own `close`, which says
 * nothing about the client after the body. The reason is CodedError SERVICE_UNAVAILABLE, so work that fails with it is not
 * logged as a fault.
 */
export function createClientSignal(response: ServerResponse & { [clientSignal]?: AbortSignal }): AbortSignal {
  const known = response[clientSignal];
  if (known) return known;
  const controller = new AbortController();
  const onClose = () => {
    if (response.writableFinished) return;
    controller.abort(new CodedError('SERVICE_UNAVAILABLE', 'The client has disconnected.', { retryable: true }));
  };
  if (response.closed || response.destroyed) onClose();
  else response.once('close', onClose);
  response[clientSignal] = controller.signal;
  return controller.signal;
}

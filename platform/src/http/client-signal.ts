import type { ServerResponse } from 'node:http';
import { CodedError } from '../errors.ts';

const clientSignal = Symbol('signal of the client');

/**
 * Returns a signal that aborts when the client disconnects before its response is sent. If the client has already
 * disconnected, the signal is aborted from the start.
 *
 * Fastify's `request.signal` can't be used. It follows the request's `close` event, which does not report a disconnect
 * that happens after the request's body was read.
 * The signal's reason is CodedError SERVICE_UNAVAILABLE, so that work that fails with it is not logged as a fault.
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

import type { ServerResponse } from 'node:http';
import { CodedError } from '../errors.ts';

const clientSignal = Symbol('signal of the client');

/**
 * Returns the abort signal of a response. It aborts when the client disconnects before the response is sent. If the
 * client has already disconnected, it is aborted from the start. Fastify's `request.signal` can't be used, because the
 * request's `close` event does not report a disconnect after the body. The signal's reason is CodedError
 * SERVICE_UNAVAILABLE, so that work that fails with it is not logged as a fault.
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

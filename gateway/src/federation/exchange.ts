import type { Dispatcher } from 'undici';

export interface ExchangeRequest {
  path: string;
  headers: Record<string, string>;
  /** JSON text. */
  body: string;
}

export interface Reply {
  status: number;
  text: string;
}

/**
 * Posts a request and resolves to the reply, whose body is collected without a stream: a stream costs more than all else of
 * a small call. The dispatcher bounds the body's size.
 *
 * @throws the signal's reason, and the dispatcher's errors
 */
export function exchange(dispatcher: Dispatcher, request: ExchangeRequest, signal: AbortSignal): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  if (signal.aborted) {
    reject(signal.reason);
    return promise;
  }
  let status = 0;
  const chunks: Buffer[] = [];
  let abort = (_reason: Error): void => {};
  const onAbort = () => {
    reject(signal.reason);
    abort(signal.reason instanceof Error ? signal.reason : new Error('the call was aborted'));
  };
  const end = () => signal.removeEventListener('abort', onAbort);
  signal.addEventListener('abort', onAbort, { once: true });
  dispatcher.dispatch(
    { ...request, method: 'POST' },
    {
      onRequestStart(controller) {
        // It may have been aborted while it waited for a connection.
        if (signal.aborted) controller.abort(new Error('the call was aborted'));
        abort = (reason) => controller.abort(reason);
      },
      onResponseStart(_controller, statusCode) {
        status = statusCode;
      },
      onResponseData(_controller, chunk) {
        chunks.push(chunk);
      },
      onResponseEnd() {
        end();
        resolve({ status, text: decode(chunks) });
      },
      onResponseError(_controller, error) {
        end();
        reject(error);
      },
    },
  );
  return promise;
}

const byteOrderMark = 0xfeff;

function decode(chunks: readonly Buffer[]): string {
  const [only] = chunks;
  const text = (chunks.length === 1 && only ? only : Buffer.concat(chunks)).toString();
  return text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
}

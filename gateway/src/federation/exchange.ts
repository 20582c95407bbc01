import type { Dispatcher } from 'undici';
import { timeoutError } from './deadline.ts';

export interface ExchangeRequest {
  path: string;
  /** Header names and values, alternating. */
  headers: string[];
  /** JSON text. */
  body: string;
}

/** Header values by lower-case name; a list if a header occurs several times. */
export type ReplyHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Reply {
  status: number;
  headers: ReplyHeaders;
  text: string;
}

export interface ExchangeLimits {
  /** Aborts the call. */
  signal: AbortSignal;
  /** Time-out of the whole call. */
  timeoutMs: number;
}

/**
 * Posts a request and resolves to the reply. The body is collected without a stream, because a stream takes more CPU
 * time than the rest of a small call. The dispatcher limits the body's size.
 *
 * @throws the signal's reason; DOMException TimeoutError; the dispatcher's errors
 */
export function exchange(dispatcher: Dispatcher, request: ExchangeRequest, limits: ExchangeLimits): Promise<Reply> {
  const { path, headers, body } = request;
  return new Promise((resolve, reject) => {
    const call = new Exchange(limits, resolve, reject);
    if (!call.isOver) dispatcher.dispatch({ path, headers, body, method: 'POST' }, call);
  });
}

/** The state of one call. A class takes less memory here than functions that share local variables. */
class Exchange implements Dispatcher.DispatchHandler {
  isOver = false;
  #status = 0;
  #headers: ReplyHeaders = {};
  #controller: Dispatcher.DispatchController | null = null;
  /** The first chunk is kept outside the list, because most replies have only one chunk and need no list. */
  #first: Buffer | null = null;
  #more: Buffer[] | null = null;
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onAbort = () => this.#cancel(this.#signal.reason);

  constructor(
    { signal, timeoutMs }: ExchangeLimits,
    resolve: (reply: Reply) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => this.#cancel(timeoutError(timeoutMs)), timeoutMs);
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The call may have been cancelled while it waited for a connection.
    if (this.isOver) this.#abort();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: ReplyHeaders): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#first) this.#first = chunk;
    else {
      this.#more ??= [this.#first];
      this.#more.push(chunk);
    }
  }

  onResponseEnd(): void {
    const text = decode(this.#more ? Buffer.concat(this.#more) : this.#first);
    if (this.#end()) this.#resolve({ status: this.#status, headers: this.#headers, text });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#end()) this.#reject(error);
  }

  #cancel(reason: unknown): void {
    if (!this.#end()) return;
    this.#reject(reason);
    this.#abort();
  }

  #abort(): void {
    this.#controller?.abort(new Error('the call was aborted'));
  }

  #end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#onAbort);
    return true;
  }
}

const byteOrderMark = 0xfeff;

function decode(bytes: Buffer | null): string {
  const text = bytes?.toString() ?? '';
  return text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
}

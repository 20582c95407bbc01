import type { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { SubgraphResponse } from '../execution/subgraph/subgraph-response.ts';
import { connectSocket, type createEventStreams, type UpstreamLimits } from './subgraph-connection.ts';
import { subgraphUnavailable } from './subgraph-unavailable.ts';
import { findLastToExpire, type UpstreamToken } from './upstream-token.ts';

/** The receiver of a subgraph's events. */
export interface UpstreamListener {
  /**
   * Returns the token for subscribing at the subgraph. Of several tokens of the listener, it is the one that expires
   * last.
   */
  token(): UpstreamToken;
  next(response: SubgraphResponse): void;
  /** Called when the subgraph completes the subscription. */
  complete(): void;
  fail(error: CodedError): void;
}

export interface SharedUpstreamOptions extends UpstreamLimits {
  subgraph: string;
  query: string;
  variables: Record<string, unknown>;
  streams: ReturnType<typeof createEventStreams>;
  /** Returns the URL at which the subgraph serves subscriptions: `ws:` means graphql-ws, `http:` Server-Sent Events. */
  url(): string | undefined;
  log: Log;
  /** Number of consecutive failures after which the subscription ends. */
  retries: number;
  /** Delay in milliseconds after the first failure. It doubles with each further failure, up to 2 s. */
  retryBaseMs: number;
  /** Called once: when the subscription has ended, has failed too often, or has no listener left. */
  onEnd(): void;
}

type State =
  | { name: 'connected'; url: string | undefined; connection: Disposable }
  /** `connect` is running. The connection may be lost before it returns. */
  | { name: 'connecting'; url: string | undefined }
  | { name: 'waiting'; url: string | undefined; timer: NodeJS.Timeout }
  | { name: 'ended' };

const longestWaitMs = 2_000;

/**
 * One subscription at a subgraph, for all its listeners. When the connection is lost, the subscription reconnects with
 * exponential backoff. The failure count is reset when a connection receives an event, or lasts longer than
 * `keepAliveMs`.
 */
export class SharedUpstream {
  readonly #options: SharedUpstreamOptions;
  readonly #listeners = new Set<UpstreamListener>();
  #state: State = { name: 'connecting', url: undefined };
  #failures = 0;

  constructor(options: SharedUpstreamOptions) {
    this.#options = options;
  }

  add(listener: UpstreamListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: UpstreamListener): void {
    if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.stop();
  }

  /** Connects. Never throws: a failure is retried. */
  connect(): void {
    const { url: readUrl, streams, subgraph, query, variables, keepAliveMs } = this.#options;
    const startedAtMs = performance.now();
    const lose = (error: unknown) => {
      if (performance.now() - startedAtMs > keepAliveMs) this.#failures = 0;
      this.#wait(error);
    };
    const url = readUrl();
    this.#state = { name: 'connecting', url };
    try {
      if (url === undefined) throw new Error(`${subgraph} serves no subscriptions any more`);
      const connectBy = /^wss?:/.test(url) ? connectSocket : streams.connect;
      const { authorization } = this.#token();
      const connection = connectBy(
        { ...this.#options, url, query, variables, authorization },
        {
          next: (response) => {
            this.#failures = 0;
            for (const listener of [...this.#listeners]) listener.next(response);
          },
          complete: () => this.#end((listener) => listener.complete()),
          refuse: (errors) =>
            this.#end((listener) => {
              listener.next({ errors });
              listener.complete();
            }),
          lose,
        },
      );
      if (this.#state.name === 'connecting') this.#state = { name: 'connected', url, connection };
      else connection[Symbol.dispose]();
    } catch (error) {
      lose(error);
    }
  }

  reconnectIfMoved(): void {
    if (this.#state.name === 'ended' || this.#options.url() === this.#state.url) return;
    this.#leaveState();
    this.#failures = 0;
    this.connect();
  }

  stop(): void {
    if (this.#state.name === 'ended') return;
    this.#leaveState();
    this.#state = { name: 'ended' };
    this.#options.onEnd();
  }

  #wait(error: unknown): void {
    if (this.#state.name === 'ended') return;
    const { log, subgraph, retries, retryBaseMs } = this.#options;
    const { url } = this.#state;
    if (this.#failures >= retries) {
      log.warn({ subgraph, error }, 'a subscription at a subgraph is given up');
      this.#end((listener) => listener.fail(subgraphUnavailable(`The subgraph ${subgraph} does not answer.`)));
      return;
    }
    log.info({ subgraph, error, failures: this.#failures }, 'a subscription at a subgraph is lost; reconnecting');
    const longestMs = Math.min(retryBaseMs * 2 ** this.#failures, longestWaitMs);
    this.#failures += 1;
    const timer = setTimeout(() => this.connect(), longestMs * (0.5 + Math.random() / 2));
    this.#state = { name: 'waiting', url, timer };
  }

  #end(report: (listener: UpstreamListener) => void): void {
    this.stop();
    for (const listener of [...this.#listeners]) report(listener);
  }

  /** Clears the timer of the state `waiting`, or closes the connection of the state `connected`. */
  #leaveState(): void {
    if (this.#state.name === 'waiting') clearTimeout(this.#state.timer);
    if (this.#state.name === 'connected') this.#state.connection[Symbol.dispose]();
  }

  /** The listeners' token that expires last. */
  #token(): UpstreamToken {
    return findLastToExpire(Array.from(this.#listeners, (listener) => listener.token()));
  }
}

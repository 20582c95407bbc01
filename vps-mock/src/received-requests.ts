/** A request as received by the provider. */
export interface ReceivedRequest {
  /** The `Idempotency-Key`; null without one. */
  key: string | null;
  phoneNumber: string;
  callbackUrl: string;
  at: number;
}

/** Number of requests that are kept. */
const maxRequests = 10_000;

/** The last requests, in order. Tests can wait for further requests. */
export interface ReceivedRequests {
  readonly all: readonly ReceivedRequest[];
  add(received: ReceivedRequest): void;
  /** Resolves once `count` requests have been received in total. */
  whenReceived(count: number): Promise<void>;
}

export function createReceivedRequests(): ReceivedRequests {
  const all: ReceivedRequest[] = [];
  const watchers = new Set<{ count: number; resolve: () => void }>();
  let total = 0;
  const notify = () => {
    for (const watcher of watchers) {
      if (total < watcher.count) continue;
      watchers.delete(watcher);
      watcher.resolve();
    }
  };
  return {
    all,
    add(received) {
      all.push(received);
      if (all.length > maxRequests) all.shift();
      total += 1;
      notify();
    },
    whenReceived: (count) =>
      new Promise((resolve) => {
        watchers.add({ count, resolve });
        notify();
      }),
  };
}

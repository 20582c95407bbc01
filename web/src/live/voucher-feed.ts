import { stringifyDocument } from '@urql/core';
import { type Client, createClient } from 'graphql-ws';
import {
  VoucherReceivedDocument,
  type VoucherReceivedSubscription,
  VoucherRequestAcknowledgedDocument,
  type VoucherRequestAcknowledgedSubscription,
  VoucherRequestFailedDocument,
  type VoucherRequestFailedSubscription,
} from '../graphql/generated.ts';

export type ReceivedVoucher = VoucherReceivedSubscription['voucherReceived']['node'];
export type Acknowledgement = VoucherRequestAcknowledgedSubscription['voucherRequestAcknowledged'];
export type FailedRequest = VoucherRequestFailedSubscription['voucherRequestFailed'];

/** The code and reason with which a connection was closed. */
export interface Close {
  code: number;
  reason: string;
}

/** When and why a connection was lost. */
export interface Lost {
  since: number;
  closed: Close | null;
}

/** The state of the WebSocket, as the connection light shows it. */
export type Connection =
  | { phase: 'connecting' }
  /**
   * `caughtUp` counts the codes that were missed since `lost`, and then received. Both are null for the first
   * connection.
   */
  | { phase: 'live'; since: number; caughtUp: number | null; lost: Lost | null }
  | ({ phase: 'reconnecting' } & Lost)
  | { phase: 'closed'; closed: Close | null };

export interface VoucherFeed extends Disposable {
  connection(): Connection;
  onConnection(listener: () => void): () => void;
}

export interface VoucherFeedOptions {
  url: string;
  token: string;
  /** Cursor after which the feed starts. */
  after: string;
  /** Whether an earlier feed ended at this cursor, so that codes after it were missed. */
  isResumed: boolean;
  /** Called for each code once, with the time of its arrival and the cursor to resume from. */
  onVoucher(voucher: ReceivedVoucher, at: number, cursor: string): void;
  onAcknowledged(acknowledgement: Acknowledgement): void;
  onFailure(failure: FailedRequest): void;
  /**
   * Called on each reconnect, and when an earlier feed is resumed. Missed failures and acknowledgements are not sent
   * again, so that pending requests have to be read.
   */
  onReconnect(): void;
  /** Called when the server has ended the session. */
  onSessionEnd(): void;
  now?: () => number;
}

/** Limit of remembered ids. A code that is sent again after a reconnect is one of the last. */
const maxSeen = 1_000;

/** The close code of an ended session (docs/subscriptions.md). */
const sessionEnded = 4403;

/**
 * Subscribes to the user's vouchers and failures over one WebSocket. After each reconnect it resumes from the cursor of
 * its last event, so that no code is missed. A code that arrives twice is dropped by its id.
 */
export function openVoucherFeed(options: VoucherFeedOptions): VoucherFeed {
  const { url, token, onVoucher, onAcknowledged, onFailure, onReconnect, onSessionEnd, now = Date.now } = options;
  const seen = new Set<string>();
  const listeners = new Set<() => void>();
  let cursor = options.after;
  let connection: Connection = { phase: 'connecting' };
  let connectedBefore = options.isResumed;
  const change = (next: Connection) => {
    connection = next;
    for (const listener of listeners) listener();
  };

  const client: Client = createClient({
    url,
    connectionParams: { authorization: `Bearer ${token}` },
    // A silent connection is noticed within 15 s.
    keepAlive: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, retryDelayMs(retries))),
    shouldRetry: (event) => closeOf(event)?.code !== sessionEnded,
    on: {
      connected: (_socket, _payload, wasRetry) => {
        const lost =
          connection.phase === 'reconnecting' ? { since: connection.since, closed: connection.closed } : null;
        change({ phase: 'live', since: now(), caughtUp: wasRetry || connectedBefore ? 0 : null, lost });
        if (connectedBefore) onReconnect();
        connectedBefore = true;
      },
      closed: (event) => {
        const closed = closeOf(event);
        if (closed?.code === sessionEnded) {
          change({ phase: 'closed', closed });
          onSessionEnd();
        } else if (connection.phase !== 'closed') {
          const since = connection.phase === 'reconnecting' ? connection.since : now();
          change({ phase: 'reconnecting', since, closed });
        }
      },
      ping: (received) => {
        if (!received) watchPong();
      },
      pong: (received) => {
        if (received) clearTimeout(pongTimer);
      },
    },
  });
  let pongTimer: ReturnType<typeof setTimeout> | undefined;
  const watchPong = () => {
    clearTimeout(pongTimer);
    pongTimer = setTimeout(() => client.terminate(), 5_000);
  };

  const leaveVouchers = client.subscribe<VoucherReceivedSubscription>(
    {
      query: stringifyDocument(VoucherReceivedDocument),
      // The cursor is read at each connect, because graphql-ws serialises the variables when it subscribes.
      variables: {
        get after() {
          return cursor;
        },
      },
    },
    {
      next({ data }) {
        if (!data) return;
        const { node, cursor: reached } = data.voucherReceived;
        cursor = reached;
        if (seen.has(node.id)) return;
        seen.add(node.id);
        const [oldest] = seen;
        if (oldest && seen.size > maxSeen) seen.delete(oldest);
        if (
          connection.phase === 'live' &&
          connection.caughtUp !== null &&
          Date.parse(node.receivedAt) < connection.since
        )
          change({ ...connection, caughtUp: connection.caughtUp + 1 });
        onVoucher(node, now(), reached);
      },
      error: endFeed,
      complete: () => {},
    },
  );
  const leaveFailures = client.subscribe<VoucherRequestFailedSubscription>(
    { query: stringifyDocument(VoucherRequestFailedDocument) },
    { next: ({ data }) => data && onFailure(data.voucherRequestFailed), error: endFeed, complete: () => {} },
  );

  const leaveAcknowledgements = client.subscribe<VoucherRequestAcknowledgedSubscription>(
    { query: stringifyDocument(VoucherRequestAcknowledgedDocument) },
    {
      next: ({ data }) => data && onAcknowledged(data.voucherRequestAcknowledged),
      // A gateway with an older schema refuses this subscription. The page then gets the steps with the outcome.
      error: () => {},
      complete: () => {},
    },
  );

  /** Ends the feed after a refused subscription, or after a close that must not be retried. */
  function endFeed(error: unknown): void {
    if (connection.phase === 'closed') return;
    const reason = Array.isArray(error) ? String(error[0]?.message) : 'The subscription was refused.';
    change({ phase: 'closed', closed: closeOf(error) ?? { code: 0, reason } });
  }

  return {
    connection: () => connection,
    onConnection(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    [Symbol.dispose]() {
      clearTimeout(pongTimer);
      listeners.clear();
      leaveVouchers();
      leaveFailures();
      leaveAcknowledgements();
      void Promise.resolve(client.dispose()).catch(() => {});
    },
  };
}

/**
 * Half a second, doubled with each retry up to 5 s. A random part is included, because many pages reconnect after a
 * restart.
 */
function retryDelayMs(retries: number): number {
  return Math.min(500 * 2 ** retries, 5_000) * (0.75 + Math.random() / 2);
}

function closeOf(event: unknown): Close | null {
  if (typeof event !== 'object' || event === null || !('code' in event)) return null;
  const { code, reason } = event as { code: unknown; reason?: unknown };
  return typeof code === 'number' ? { code, reason: String(reason ?? '') } : null;
}

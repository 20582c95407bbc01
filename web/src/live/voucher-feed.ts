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
import { type Close, type ConnectionState, createConnectionState } from './connection-state.ts';

export type ReceivedVoucher = VoucherReceivedSubscription['voucherReceived']['node'];
export type Acknowledgement = VoucherRequestAcknowledgedSubscription['voucherRequestAcknowledged'];
export type FailedRequest = VoucherRequestFailedSubscription['voucherRequestFailed'];

export interface VoucherFeed extends Disposable, Pick<ConnectionState, 'connection' | 'onConnection'> {}

export interface VoucherFeedOptions {
  url: string;
  token: string;
  /** Cursor after which the feed starts. */
  after: string;
  /**
   * Whether the feed continues an earlier feed that ended at the cursor `after`. Then codes after this cursor have been
   * missed.
   */
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

/** Limit of remembered voucher ids. A duplicate after a reconnect is always one of the last codes. */
const maxSeen = 1_000;

/** The close code of an ended session (docs/subscriptions.md). */
const sessionEnded = 4403;

/**
 * Subscribes to the user's vouchers and failures over one WebSocket. After each reconnect it resumes from the cursor of
 * its last event, so that no code is missed. A code may arrive twice, with the same voucher id. The duplicate is
 * dropped.
 */
export function openVoucherFeed(options: VoucherFeedOptions): VoucherFeed {
  const { url, token, onVoucher, onAcknowledged, onFailure, onReconnect, onSessionEnd, now = Date.now } = options;
  const seen = new Set<string>();
  const state = createConnectionState({ isResumed: options.isResumed, now });
  let cursor = options.after;

  const client: Client = createClient({
    url,
    connectionParams: { authorization: `Bearer ${token}` },
    // The client sends a ping every 10 s. If no pong arrives within 5 s, `watchPong` ends the connection.
    keepAlive: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (retries) => new Promise((resolve) => setTimeout(resolve, retryDelayMs(retries))),
    shouldRetry: (event) => closeOf(event)?.code !== sessionEnded,
    on: {
      connected: (_socket, _payload, isRetry) => {
        if (state.connected(isRetry)) onReconnect();
      },
      closed: (event) => {
        const closed = closeOf(event);
        if (closed?.code !== sessionEnded) return state.lost(closed);
        state.end(closed);
        onSessionEnd();
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
      // At each reconnect, graphql-ws subscribes again and reads `after`. So the getter returns the current cursor.
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
        state.received(node.receivedAt);
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
      // A gateway with an older schema refuses this subscription. In that case, the page shows the steps of a request
      // only when the request has its outcome.
      error: () => {},
      complete: () => {},
    },
  );

  /** Ends the feed after a refused subscription, or after a close that must not be retried. */
  function endFeed(error: unknown): void {
    if (state.connection().phase === 'closed') return;
    const reason = Array.isArray(error) ? String(error[0]?.message) : 'The subscription was refused.';
    state.end(closeOf(error) ?? { code: 0, reason });
  }

  return {
    connection: state.connection,
    onConnection: state.onConnection,
    [Symbol.dispose]() {
      clearTimeout(pongTimer);
      state.silence();
      leaveVouchers();
      leaveFailures();
      leaveAcknowledgements();
      void Promise.resolve(client.dispose()).catch(() => {});
    },
  };
}

/**
 * Returns the delay before a retry: half a second, doubled with each retry up to 5 s. A random part is included, so
 * that not all pages reconnect at the same time after a restart.
 */
function retryDelayMs(retries: number): number {
  return Math.min(500 * 2 ** retries, 5_000) * (0.75 + Math.random() / 2);
}

function closeOf(event: unknown): Close | null {
  if (typeof event !== 'object' || event === null || !('code' in event)) return null;
  const { code, reason } = event as { code: unknown; reason?: unknown };
  return typeof code === 'number' ? { code, reason: String(reason ?? '') } : null;
}

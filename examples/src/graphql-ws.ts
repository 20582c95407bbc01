import { createClient } from 'graphql-ws';
import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

/** Watches vouchers with graphql-ws over a WebSocket. Returns a function that stops the client. */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Code 4403 means that the session has ended, so the gateway would reject the token again. After any other close
    // code, the client reconnects.
    shouldRetry: (event) => (event as { code?: number }).code !== 4403,
  });
  // The client sends `variables` again at each reconnect. `next` keeps its cursor current.
  const variables = { after };
  const stop = client.subscribe<VoucherEvent>(
    { query: vouchers, variables },
    {
      next({ data }) {
        if (!data) return;
        const { cursor, node } = data.voucherReceived;
        variables.after = cursor;
        onVoucher(node, cursor);
      },
      error: (error) => onEnd?.(error),
      complete: () => onEnd?.('complete'),
    },
  );
  return () => {
    stop();
    client.dispose();
  };
}

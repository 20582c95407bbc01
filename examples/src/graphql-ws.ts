import { createClient } from 'graphql-ws';
import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

/** By graphql-ws, over a WebSocket. Returns what stops it. */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    // All but 4403: with the same token there is no coming back.
    shouldRetry: (event) => (event as { code?: number }).code !== 4403,
  });
  // The client sends this object again whenever it has reconnected: with the cursor as it is then.
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

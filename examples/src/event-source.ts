import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

/**
 * Watches vouchers with the browser's EventSource, without a library. An EventSource reconnects by itself. It then sends the
 * id of the last event, which is that event's cursor. Returns a function that stops the client.
 */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const search = new URLSearchParams({
    query: vouchers,
    variables: JSON.stringify({ after }),
    // The token is a parameter, because an EventSource can't set headers.
    access_token: token,
  });
  const source = new EventSource(`${url}?${search}`);
  source.addEventListener('next', (event) => {
    const result = JSON.parse((event as MessageEvent).data) as { data?: VoucherEvent; errors?: unknown };
    if (!result.data) return onEnd?.(result.errors);
    const { cursor, node } = result.data.voucherReceived;
    onVoucher(node, cursor);
  });
  source.addEventListener('complete', () => source.close());
  source.addEventListener('error', () => {
    // If the gateway rejected the request, for example its token, the EventSource is closed. If the connection was
    // lost, the EventSource reconnects.
    if (source.readyState === source.CLOSED) onEnd?.('rejected');
  });
  return () => source.close();
}

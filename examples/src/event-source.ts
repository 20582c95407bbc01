import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

/**
 * By the browser's own EventSource: no library at all. It reconnects by itself, and sends the last event's id, which
 * is its cursor. Returns what stops it.
 */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const search = new URLSearchParams({
    query: vouchers,
    variables: JSON.stringify({ after }),
    // An EventSource can set no header.
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
    // A refusal, such as of the token: a lost connection is made anew, and is no end.
    if (source.readyState === source.CLOSED) onEnd?.('refused');
  });
  return () => source.close();
}

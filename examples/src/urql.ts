import { Client, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

/** Watches vouchers with urql on top of graphql-ws. Returns a function that stops the client. */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  let cursor = after;
  const socket = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (event) => (event as { code?: number }).code !== 4403,
  });
  const client = new Client({
    url,
    preferGetMethod: false,
    exchanges: [
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe(
              {
                query,
                variables: {
                  ...variables,
                  // A getter returns the current cursor, because the operation is sent again at each reconnect.
                  get after() {
                    return cursor;
                  },
                },
              },
              sink as never,
            ),
          }),
        }),
      }),
    ],
  });
  const { unsubscribe } = client.subscription<VoucherEvent>(vouchers, { after }).subscribe(({ data, error }) => {
    if (error) return onEnd?.(error);
    if (!data) return;
    cursor = data.voucherReceived.cursor;
    onVoucher(data.voucherReceived.node, cursor);
  });
  return () => {
    unsubscribe();
    socket.dispose();
  };
}

import { ApolloClient, gql, HttpLink, InMemoryCache, ServerError } from '@apollo/client';
import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

const reconnectAfterMs = 500;

/**
 * Watches vouchers with Apollo Client. Its HTTP link receives subscriptions over multipart HTTP. Returns a function
 * that stops the client.
 */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } }),
  });
  let cursor = after;
  let stop = () => {};
  const subscribe = () => {
    // This function is needed, because Apollo Client does not reconnect a multipart stream by itself.
    const reconnect = () => {
      const timer = setTimeout(subscribe, reconnectAfterMs);
      stop = () => clearTimeout(timer);
    };
    const subscription = client
      .subscribe<VoucherEvent>({ query: gql(vouchers), variables: { after: cursor } })
      .subscribe({
        next({ data, error }) {
          if (data) {
            cursor = data.voucherReceived.cursor;
            onVoucher(data.voucherReceived.node, cursor);
          } else if (error && JSON.stringify(error).includes('SESSION_EXPIRED')) {
            subscription.unsubscribe();
            onEnd?.(error);
          }
        },
        error: (error) => (ServerError.is(error) && error.statusCode < 500 ? onEnd?.(error) : reconnect()),
        complete: reconnect,
      });
    stop = () => subscription.unsubscribe();
  };
  subscribe();
  return () => {
    stop();
    client.stop();
  };
}

import { ApolloClient, gql, HttpLink, InMemoryCache, ServerError } from '@apollo/client';
import { type VoucherEvent, vouchers, type WatchOptions } from './watch.ts';

const comeBackAfterMs = 500;

/** By Apollo Client, over multipart HTTP: no link but its own. Returns what stops it. */
export function watchVouchers({ url, token, after, onVoucher, onEnd }: WatchOptions): () => void {
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } }),
  });
  let cursor = after;
  let stop = () => {};
  const subscribe = () => {
    // Apollo Client does not reconnect a multipart stream by itself.
    const comeBack = () => {
      const timer = setTimeout(subscribe, comeBackAfterMs);
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
        error: (error) => (ServerError.is(error) && error.statusCode < 500 ? onEnd?.(error) : comeBack()),
        complete: comeBack,
      });
    stop = () => subscription.unsubscribe();
  };
  subscribe();
  return () => {
    stop();
    client.stop();
  };
}

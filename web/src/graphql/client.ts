import { Client, cacheExchange, fetchExchange, mapExchange } from '@urql/core';
import type { SessionStore } from '../session/session-store.ts';
import { endsSession } from './errors.ts';

/** An operation without an answer until then has failed; a test callback takes the longest. */
const timeoutMs = 30_000;

/** Creates the client for queries and mutations. A session that the server has ended ends here, too. */
export function createGraphqlClient(session: SessionStore): Client {
  return new Client({
    url: '/graphql',
    preferGetMethod: false,
    fetch: (input, init) => {
      const signals = [AbortSignal.timeout(timeoutMs), ...(init?.signal ? [init.signal] : [])];
      return fetch(input, { ...init, signal: AbortSignal.any(signals) });
    },
    requestPolicy: 'cache-and-network',
    exchanges: [
      cacheExchange,
      mapExchange({
        onOperation(operation) {
          if (operation.kind !== 'teardown') session.touch();
        },
        onResult({ error, operation }) {
          const token = sentTokenOf(operation.context.fetchOptions);
          if (token && error && endsSession(error)) session.end(token);
        },
      }),
      fetchExchange,
    ],
    fetchOptions: () => {
      const token = session.token();
      return { headers: new Headers(token ? { authorization: `Bearer ${token}` } : undefined) };
    },
  });
}

/** The token that an operation was sent with: another session may have begun since. */
function sentTokenOf(options: RequestInit | (() => RequestInit) | undefined): string | null {
  const resolved = typeof options === 'function' ? options() : options;
  return new Headers(resolved?.headers).get('authorization')?.replace('Bearer ', '') ?? null;
}

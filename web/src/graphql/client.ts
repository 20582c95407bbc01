import { Client, cacheExchange, fetchExchange, makeOperation, mapExchange } from '@urql/core';
import { endsSession } from './errors.ts';

/**
 * Time-outs of operations. Mutations have a long time-out, because a test callback may take long. Queries have a short
 * time-out. After an outage, the answer to a query may never arrive. Until the time-out, the next read of the same view
 * waits for the answer.
 */
const timeoutsMs = { mutation: 30_000, query: 10_000 } as const;

/** The session whose token is sent with each request. */
export interface ClientSession {
  /** The token; null if no user is signed in. */
  token(): string | null;
  /** Records that a request was sent. */
  touch(): void;
  /** Ends the session of this token. */
  end(token: string): void;
}

function fetchWithin(timeoutMs: number): typeof fetch {
  return (input, init) => {
    const signals = [AbortSignal.timeout(timeoutMs), ...(init?.signal ? [init.signal] : [])];
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };
}

/**
 * Creates the client for queries and mutations. If a response says that the session has ended, the client calls
 * `session.end`, and the page asks the user to sign in.
 */
export function createGraphqlClient(session: ClientSession): Client {
  return new Client({
    url: '/graphql',
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    exchanges: [
      cacheExchange,
      mapExchange({
        onOperation(operation) {
          if (operation.kind !== 'teardown') session.touch();
          if (operation.kind !== 'query' && operation.kind !== 'mutation') return;
          const fetch = fetchWithin(timeoutsMs[operation.kind]);
          return makeOperation(operation.kind, operation, { ...operation.context, fetch });
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

/**
 * Returns the token with which an operation was sent. It may differ from the current token, if another session has
 * started.
 */
function sentTokenOf(options: RequestInit | (() => RequestInit) | undefined): string | null {
  const resolved = typeof options === 'function' ? options() : options;
  return new Headers(resolved?.headers).get('authorization')?.replace('Bearer ', '') ?? null;
}

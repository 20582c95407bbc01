import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';
import { currentSession, noteAnswer } from './session.js';

const url = new URL('/graphql', location.href);
const socketUrl = Object.assign(new URL(url), { protocol: url.protocol.replace('http', 'ws') });

/**
 * GraphiQL's fetcher: HTTP for queries and mutations, a WebSocket for subscriptions. The fetcher sends the headers of
 * the editor's tab. If the tab has no `authorization` header, the fetcher adds the token of the last sign-in.
 */
export const fetchOperation = (parameters, options) => {
  const headers = withToken(options?.headers ?? {});
  const fetcher = createGraphiQLFetcher({
    url: url.href,
    fetch: fetchAndNote,
    // In development the gateway adds the query plan and the time of each fetch to the response.
    headers: { 'x-query-plan': 'true' },
    // Each operation has its own connection. The headers of its tab authenticate that connection.
    wsClient: createClient({ url: socketUrl.href, connectionParams: headers, shouldRetry: () => false }),
  });
  return fetcher(parameters, { ...options, headers });
};

function withToken(headers) {
  const session = currentSession();
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  return isGiven || !session ? headers : { ...headers, authorization: `Bearer ${session.token}` };
}

async function fetchAndNote(input, init) {
  const response = await fetch(input, init);
  response
    .clone()
    .json()
    .then(
      ({ data }) => noteAnswer(data),
      () => {},
    );
  return response;
}

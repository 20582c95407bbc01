/** Posts an operation over HTTP. `leave` disconnects before the response. */
export function postAndLeave(graphqlUrl: string, query: string, headers: Record<string, string> = {}) {
  const leaving = new AbortController();
  const response = fetch(graphqlUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query }),
    signal: leaving.signal,
  });
  return {
    /** Rejects once `leave` was called. */
    response,
    leave: () => leaving.abort(),
  };
}

import { type Client, createClient, type SubscribePayload } from 'graphql-ws';
import WebSocket from 'ws';
import { moved } from '../supergraphs/moves.ts';

export interface ClientOptions {
  /** The key of the token in `connection_init`. Default: `authorization`. */
  key?: string;
}

/** Connects a client of graphql-ws that does not retry. Without `authorization` it is anonymous. */
export function connectClient(
  url: string,
  authorization: string | null,
  { key = 'authorization' }: ClientOptions = {},
) {
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const connected = Promise.withResolvers<void>();
  let isOpen = false;
  const client: Client = createClient({
    url,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: 0,
    connectionParams: authorization === null ? {} : { [key]: authorization },
    onNonLazyError: () => {},
    on: {
      connected: () => {
        isOpen = true;
        connected.resolve();
      },
      closed: (event) => {
        isOpen = false;
        closed.resolve(event as { code: number; reason: string });
      },
    },
  });
  return { client, closed: closed.promise, connected: connected.promise, isOpen: () => isOpen };
}

export interface ClientResult {
  data?: unknown;
  errors?: readonly { message: string; extensions?: Record<string, unknown> }[];
}

/** Resolves with the operation's first result. An `error` message counts as a result with errors. */
export async function ask(client: Client, payload: SubscribePayload): Promise<ClientResult> {
  try {
    for await (const result of client.iterate(payload)) return JSON.parse(JSON.stringify(result));
    return {};
  } catch (errors) {
    return { errors: errors as ClientResult['errors'] };
  }
}

/** Subscribes. The test reads the results one by one. */
export function listen(client: Client, query: string, variables: Record<string, unknown> = {}) {
  const results = client.iterate({ query, variables });
  return {
    /** Resolves with the next result; null once the subscription has completed. */
    next: async () => JSON.parse(JSON.stringify((await results.next()).value ?? null)),
    stop: async () => void (await results.return?.()),
  };
}

/** Subscribes, and resolves once the subscription is active. */
export async function subscribeToMoves(client: Client) {
  const events = client.iterate<{ moved: { cursor: string } }>({ query: moved });
  const first = events.next();
  // The server handles a socket's messages in order: when this query is answered, the subscription is active.
  await ask(client, { query: '{ hello }' });
  return { first };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export interface FollowerOptions {
  /** The session's token, or a function that returns it. The function is called before each connection. */
  token: string | (() => Promise<string>);
  /** The cursor after which the follower starts. */
  after: string;
  /** Returns the URL of the gateway to connect to next. */
  nextGateway(): string;
  /** Returns the number of events after which the follower drops its connection. Default: it never does. */
  patience?(): number;
  onVoucher?(voucher: FollowedVoucher): void;
  /** Called with the close code of a connection, or the error code of a refused subscription. */
  onCutOff?(code: number | string): void;
  /**
   * If no event arrived on a connection, the follower waits this number of milliseconds before it reconnects. Default:
   * 20.
   */
  reconnectAfterMs?: number;
}

export interface FollowedVoucher {
  id: string;
  requestId: string;
  code: string;
}

/**
 * A client that subscribes to its vouchers. After a lost connection it connects to the next gateway and resumes from its
 * cursor.
 */
export interface Follower extends AsyncDisposable {
  /** Ids of the vouchers, in order of arrival. */
  readonly seen: readonly string[];
  /** Number of connections. */
  readonly connections: number;
  /** Number of closed connections by close code. Connections that the follower dropped itself are not counted. */
  readonly closed: ReadonlyMap<number, number>;
  /** Error codes of ended subscriptions. */
  readonly refusals: readonly string[];
}

const query = 'subscription ($after: String) { voucherReceived(after: $after) { cursor node { id requestId code } } }';

export function startFollower({
  token,
  after,
  nextGateway,
  patience = () => Number.POSITIVE_INFINITY,
  onVoucher = () => {},
  onCutOff = () => {},
  reconnectAfterMs = 20,
}: FollowerOptions): Follower {
  const seen: string[] = [];
  const closed = new Map<number, number>();
  const refusals: string[] = [];
  let cursor = after;
  let connections = 0;
  let isOver = false;
  let leave = () => {};

  /** Subscribes on one connection until that connection ends. Returns whether events have arrived. */
  const follow = async () => {
    let isMine = false;
    let isOpen = false;
    let hasSeen = false;
    const authorization = typeof token === 'string' ? token : await token().catch(() => null);
    if (authorization === null) return false;
    const client = createClient({
      url: `${nextGateway().replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization },
      retryAttempts: 0,
      on: {
        opened: () => {
          isOpen = true;
          connections += 1;
        },
        closed(event) {
          const { code } = event as { code: number };
          if (!isOpen || isMine) return;
          closed.set(code, (closed.get(code) ?? 0) + 1);
          onCutOff(code);
        },
      },
    });
    leave = () => {
      isMine = true;
      client.terminate();
    };
    try {
      let left = patience();
      for await (const { data, errors } of client.iterate<{
        voucherReceived: { cursor: string; node: FollowedVoucher };
      }>({ query, variables: { after: cursor } })) {
        if (!data) throw errors;
        seen.push(data.voucherReceived.node.id);
        onVoucher(data.voucherReceived.node);
        cursor = data.voucherReceived.cursor;
        hasSeen = true;
        left -= 1;
        if (left <= 0 || isOver) break;
      }
    } catch (error) {
      // If the connection was lost, the error is a close event. If the subscription was refused, the error is a list of
      // GraphQL errors.
      if (Array.isArray(error)) {
        const code = String(error[0]?.extensions?.code ?? error[0]?.message);
        refusals.push(code);
        onCutOff(code);
      }
    } finally {
      leave();
    }
    return hasSeen;
  };
  const following = (async () => {
    while (!isOver) if (!(await follow())) await sleep(reconnectAfterMs);
  })();

  return {
    seen,
    closed,
    refusals,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      leave();
      await following;
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export interface FollowerOptions {
  token: string;
  /** The cursor to begin behind. */
  after: string;
  /** Where to connect to next. */
  nextGateway(): string;
  /** After how many events it drops its connection by itself, for each connection. Default: never. */
  patience?(): number;
}

/** A client that follows its vouchers over several gateways: whenever it is cut off, it comes again behind its cursor. */
export interface Follower extends AsyncDisposable {
  /** The vouchers' ids as they came. */
  readonly seen: readonly string[];
  /** Connections that were opened. */
  readonly connections: number;
  /** By the code that they were closed with, without those that it dropped itself. */
  readonly closed: ReadonlyMap<number, number>;
  /** Errors that subscriptions ended with, by code. */
  readonly refusals: readonly string[];
}

const query = 'subscription ($after: String) { voucherReceived(after: $after) { cursor node { id } } }';

export function startFollower({
  token,
  after,
  nextGateway,
  patience = () => Number.POSITIVE_INFINITY,
}: FollowerOptions): Follower {
  const seen: string[] = [];
  const closed = new Map<number, number>();
  const refusals: string[] = [];
  let cursor = after;
  let connections = 0;
  let isOver = false;
  let leave = () => {};

  /** Follows over one connection until it ends. */
  const follow = async () => {
    let isMine = false;
    let isOpen = false;
    const client = createClient({
      url: `${nextGateway().replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: token },
      retryAttempts: 0,
      on: {
        opened: () => {
          isOpen = true;
          connections += 1;
        },
        closed(event) {
          const { code } = event as { code: number };
          if (isOpen && !isMine) closed.set(code, (closed.get(code) ?? 0) + 1);
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
        voucherReceived: { cursor: string; node: { id: string } };
      }>({ query, variables: { after: cursor } })) {
        if (!data) throw errors;
        seen.push(data.voucherReceived.node.id);
        cursor = data.voucherReceived.cursor;
        left -= 1;
        if (left <= 0 || isOver) break;
      }
    } catch (error) {
      // A lost connection is told as its close event, a refusal as errors.
      if (Array.isArray(error)) refusals.push(String(error[0]?.extensions?.code ?? error[0]?.message));
    } finally {
      leave();
    }
    if (!isOpen) await sleep(20);
  };
  const following = (async () => {
    while (!isOver) await follow();
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

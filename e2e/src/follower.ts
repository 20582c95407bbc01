import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

export interface FollowerOptions {
  /** The session's token. A function is called before each connection. */
  token: string | (() => Promise<string>);
  /** The cursor to begin behind. */
  after: string;
  /** Where to connect to next. */
  nextGateway(): string;
  /** After how many events it drops its connection by itself, for each connection. Default: never. */
  patience?(): number;
  onVoucher?(voucher: FollowedVoucher): void;
  /** Called with the code that a connection was closed with, or that a subscription was refused with. */
  onCutOff?(code: number | string): void;
  /** It waits so long after a connection that brought nothing, in milliseconds. Default: 20. */
  pauseMs?: number;
}

export interface FollowedVoucher {
  id: string;
  requestId: string;
  code: string;
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

const query = 'subscription ($after: String) { voucherReceived(after: $after) { cursor node { id requestId code } } }';

export function startFollower({
  token,
  after,
  nextGateway,
  patience = () => Number.POSITIVE_INFINITY,
  onVoucher = () => {},
  onCutOff = () => {},
  pauseMs = 20,
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
    let hasSeen = false;
    const authorization = typeof token === 'string' ? token : await token().catch(() => null);
    if (authorization === null) return void (await sleep(pauseMs));
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
      // A lost connection is told as its close event, a refusal as errors.
      if (Array.isArray(error)) {
        const code = String(error[0]?.extensions?.code ?? error[0]?.message);
        refusals.push(code);
        onCutOff(code);
      }
    } finally {
      leave();
    }
    if (!hasSeen) await sleep(pauseMs);
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

import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { useClient } from 'urql';
import { EndOfFeedDocument } from '../graphql/generated.ts';
import { useSession } from '../session/session-context.tsx';
import type { Connection } from './connection-state.ts';
import {
  type Acknowledgement,
  type FailedRequest,
  openVoucherFeed,
  type ReceivedVoucher,
  type VoucherFeed,
} from './voucher-feed.ts';

/** A code that arrived over the WebSocket, with the time of its arrival by this browser's clock. */
export interface Arrival {
  voucher: ReceivedVoucher;
  at: number;
}

export interface Live {
  feed: VoucherFeed | null;
  /** Arrivals by request id. */
  arrivals: ReadonlyMap<string, Arrival>;
  /** Acknowledgements of the provider by request id. */
  acknowledgements: ReadonlyMap<string, Acknowledgement>;
  /** The last event: a code or a failure. */
  last: { kind: 'code'; arrival: Arrival } | { kind: 'failure'; failure: FailedRequest } | null;
  /** Increases with each outcome and each reconnect. Views then read their data again. */
  version: number;
}

const initial: Live = { feed: null, arrivals: new Map(), acknowledgements: new Map(), last: null, version: 0 };
const LiveContext = createContext<Live & { connectAgain(): void }>({ ...initial, connectAgain: () => {} });

/** The cursor of the start of a feed: the result of `encodeCursor(null)` in schema/src/cursor.ts. */
const startOfFeed = 'djE6';
/** Limit of events of each kind in memory. The steps of older requests are read from the server. */
const maxEvents = 500;

/** Returns a copy of `events` with a request's event added. Above `maxEvents`, the oldest event is dropped. */
function addTo<Event>(events: ReadonlyMap<string, Event>, requestId: string, event: Event): Map<string, Event> {
  return new Map([...events, [requestId, event] as const].slice(-maxEvents));
}

/** Opens the feed of the signed-in user, and shares its events with all views. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const { state, store } = useSession();
  const session = state.phase === 'signed-in' ? state.session : null;
  const token = session?.token;
  const client = useClient();
  const [live, setLive] = useState(initial);
  // Increases when the user presses “Connect again”, which is offered when the client does not reconnect by itself.
  const [attempt, setAttempt] = useState(0);
  // The cursor from which the user's next session or attempt resumes.
  const resume = useRef<string | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt opens another feed.
  useEffect(() => {
    if (!token) return;
    let feed: VoucherFeed | null = null;
    let left = false;
    const open = (after: string, isResumed: boolean) => {
      if (left) return;
      resume.current = after;
      feed = openVoucherFeed({
        url: `${location.origin.replace(/^http/, 'ws')}/graphql`,
        token,
        after,
        isResumed,
        onVoucher: (voucher, at, cursor) => {
          resume.current = cursor;
          setLive((before) => {
            const arrival = { voucher, at };
            const arrivals = addTo(before.arrivals, voucher.requestId, arrival);
            return { ...before, arrivals, last: { kind: 'code', arrival }, version: before.version + 1 };
          });
        },
        onAcknowledged: (acknowledgement) =>
          setLive((before) => ({
            ...before,
            acknowledgements: addTo(before.acknowledgements, acknowledgement.requestId, acknowledgement),
          })),
        onFailure: (failure) =>
          setLive((before) => ({ ...before, last: { kind: 'failure', failure }, version: before.version + 1 })),
        onReconnect: () => setLive((before) => ({ ...before, version: before.version + 1 })),
        onSessionEnd: () => store.end(token),
      });
      setLive((before) => ({ ...before, feed }));
    };
    const start = async () => {
      if (resume.current) return open(resume.current, true);
      for (let delayMs = 500; !left; delayMs = Math.min(delayMs * 2, 10_000)) {
        const { data } = await client.query(EndOfFeedDocument, {}, { requestPolicy: 'network-only' }).toPromise();
        if (data) return open(data.purchasedVouchers.pageInfo.endCursor ?? startOfFeed, false);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    };
    void start();
    return () => {
      left = true;
      feed?.[Symbol.dispose]();
      setLive((before) => ({ ...before, feed: null }));
    };
  }, [token, client, store, attempt]);

  const value = useMemo(() => ({ ...live, connectAgain: () => setAttempt((before) => before + 1) }), [live]);
  return <LiveContext value={value}>{children}</LiveContext>;
}

export const useLive = () => useContext(LiveContext);

const connecting: Connection = { phase: 'connecting' };
const ended: Connection = { phase: 'closed', closed: null };

/**
 * Returns the state of the feed's connection; null while signed out. If the server has ended the session, the state is
 * `closed` without a close code.
 */
export function useConnection(): Connection | null {
  const { feed } = useLive();
  const { state } = useSession();
  const connection = useSyncExternalStore(
    (listener) => feed?.onConnection(listener) ?? (() => {}),
    () => feed?.connection() ?? connecting,
  );
  if (state.phase === 'ended') return ended;
  return state.phase === 'signed-in' ? connection : null;
}

/** Whether events arrive over the WebSocket. */
export const useIsLive = () => useConnection()?.phase === 'live';

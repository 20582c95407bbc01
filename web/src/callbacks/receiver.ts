import { useSession } from '../session/session-context.tsx';

/** A request that the built-in receiver has stored. */
export interface ReceivedRequest {
  /** An id that is unique in the gateway. */
  id: string;
  at: string;
  headers: Record<string, string>;
  body: string;
}

/**
 * Returns the URL of the user's receiver in this tab, to which callbacks are posted. Whoever knows the URL can read the
 * callbacks.
 */
export function useReceiverUrl(): string {
  const { state } = useSession();
  if (state.phase === 'signed-out') throw new Error('only a user has a receiver');
  // The key contains the user's id, because the next user of the tab must not see callbacks of this user.
  const storageKey = `voucher-gateway:receiver:${state.session.userId}`;
  const id = sessionStorage.getItem(storageKey) ?? crypto.randomUUID();
  sessionStorage.setItem(storageKey, id);
  return `${location.origin}/receivers/${id}`;
}

/** Time-out of a read. A working receiver answers immediately. */
const timeoutMs = 5_000;

/** Reads the requests that the receiver has stored, newest first. Throws if the gateway does not answer. */
export async function readReceived(url: string, stop: AbortSignal): Promise<ReceivedRequest[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const response = await fetch(url, { signal, headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
  return ((await response.json()) as { requests: ReceivedRequest[] }).requests;
}

/** The session of this browser tab. */
export interface Session {
  token: string;
  /** When the token expires (ISO 8601). */
  expiresAt: string;
  /** Idle time-out: seconds after the last request at which the session ends. */
  idleSeconds: number;
  userId: string;
  username: string;
  phoneNumber: string;
  /** When the session's last request was sent, in milliseconds since the epoch. */
  lastUsedAt: number;
}

export type SessionState =
  | { phase: 'signed-out' }
  | { phase: 'signed-in'; session: Session }
  /** The server or time has ended the session. The page stays, and asks the user to sign in again. */
  | { phase: 'ended'; session: Session };

/** The playground reads `token` and `username` from the same key. */
const storageKey = 'voucher-gateway:session';

export type SessionStore = ReturnType<typeof createSessionStore>;

/**
 * Keeps the session in memory and in sessionStorage. So the session survives a reload, and ends with the tab. The token
 * is never in a URL or in localStorage.
 */
export function createSessionStore(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>, now = Date.now) {
  let state = readState(storage.getItem(storageKey));
  const listeners = new Set<() => void>();
  const change = (next: SessionState) => {
    state = next;
    if (next.phase === 'signed-in') storage.setItem(storageKey, JSON.stringify(next.session));
    else storage.removeItem(storageKey);
    for (const listener of listeners) listener();
  };
  return {
    state: () => state,
    token: () => (state.phase === 'signed-in' ? state.session.token : null),
    signIn: (session: Omit<Session, 'lastUsedAt'>) =>
      change({ phase: 'signed-in', session: { ...session, lastUsedAt: now() } }),
    signOut: () => change({ phase: 'signed-out' }),
    /** Ends the session of this token. Does nothing if another session has started in the meantime. */
    end(token: string) {
      if (state.phase === 'signed-in' && state.session.token === token)
        change({ phase: 'ended', session: state.session });
    },
    /** Records a request, because each request extends the session at the server. */
    touch() {
      if (state.phase === 'signed-in') change({ ...state, session: { ...state.session, lastUsedAt: now() } });
    },
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

/** Milliseconds until a session ends if nothing is requested; 0 once it has ended. */
export function remainingMs({ expiresAt, idleSeconds, lastUsedAt }: Session, now: number): number {
  return Math.max(0, Math.min(Date.parse(expiresAt), lastUsedAt + idleSeconds * 1_000) - now);
}

/**
 * Reads a stored session. Another version of the page may have stored a session with other fields. A session that lacks
 * a field is dropped.
 */
function readState(text: string | null): SessionState {
  try {
    const session = JSON.parse(text ?? 'null') as Session | null;
    const isComplete =
      session !== null &&
      [session.token, session.expiresAt, session.username, session.phoneNumber, session.userId].every(
        (field) => typeof field === 'string',
      ) &&
      [session.idleSeconds, session.lastUsedAt].every((field) => typeof field === 'number');
    return isComplete ? { phase: 'signed-in', session } : { phase: 'signed-out' };
  } catch {
    return { phase: 'signed-out' };
  }
}

import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from 'react';
import type { SessionState, SessionStore } from './session-store.ts';

const SessionContext = createContext<SessionStore | null>(null);

export function SessionProvider({ store, children }: { store: SessionStore; children: ReactNode }) {
  return <SessionContext value={store}>{children}</SessionContext>;
}

/** The tab's session, and the store that changes it. */
export function useSession(): { state: SessionState; store: SessionStore } {
  const store = useContext(SessionContext);
  if (!store) throw new Error('useSession is used outside of SessionProvider');
  const state = useSyncExternalStore(store.subscribe, store.state);
  return useMemo(() => ({ state, store }), [state, store]);
}

import { useEffect } from 'react';
import { formatDuration } from '../ui/format.ts';
import { useNow } from '../ui/use-now.ts';
import { useSession } from './session-context.tsx';
import { remainingMs, type Session } from './session-store.ts';

/** Shows how long the session lasts without another request, and ends it here when its time is over. */
export function SessionClock({ session }: { session: Session }) {
  const { store } = useSession();
  const now = useNow(1_000);
  const leftMs = remainingMs(session, now);
  useEffect(() => {
    if (leftMs === 0) store.end(session.token);
  }, [leftMs, store, session.token]);
  const isShort = leftMs < 60_000;
  return (
    <span className={isShort ? 'clock short' : 'clock'} title="Your session ends then, unless you use it">
      {isShort ? formatDuration(Math.ceil(leftMs / 1_000) * 1_000) : `${Math.floor(leftMs / 60_000)} min`} left
    </span>
  );
}

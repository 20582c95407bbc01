import { useEffect } from 'react';
import { formatDuration } from '../ui/format.ts';
import { useNow } from '../ui/use-now.ts';
import { useSession } from './session-context.tsx';
import { remainingMs, type Session } from './session-store.ts';

const warningMs = 120_000;

/** Ends the session here when its time is over, and warns before. */
export function SessionClock({ session }: { session: Session }) {
  const { store } = useSession();
  const now = useNow(1_000);
  const leftMs = remainingMs(session, now);
  useEffect(() => {
    if (leftMs === 0) store.end(session.token);
  }, [leftMs, store, session.token]);
  if (leftMs > warningMs) return null;
  // Requests do not extend a session beyond its token.
  const isProlonged = Date.parse(session.expiresAt) - now > leftMs + 1_000;
  return (
    <span className="clock short">
      Signed out in {formatDuration(Math.ceil(leftMs / 1_000) * 1_000)}
      {isProlonged && ' unless you open or send something'}
    </span>
  );
}

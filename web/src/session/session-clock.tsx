import { useEffect } from 'react';
import { formatDuration } from '../ui/duration.ts';
import { useNow } from '../ui/use-now.ts';
import { useSession } from './session-context.tsx';
import { remainingMs, type Session } from './session-store.ts';

const warningMs = 120_000;

/** Ends the session in the page when its time is over, and shows a warning before. */
export function SessionWarning({ session }: { session: Session }) {
  const { store } = useSession();
  const leftMs = remainingMs(session, useNow(1_000));
  useEffect(() => {
    if (leftMs === 0) store.end(session.token);
  }, [leftMs, store, session.token]);
  if (leftMs > warningMs) return null;
  return <p className="session-warning">{textOf(session, leftMs)}</p>;
}

/** Shows the session's remaining time. */
export function SessionClock({ session }: { session: Session }) {
  return <p className="hint">{textOf(session, remainingMs(session, useNow(1_000)))}</p>;
}

function textOf({ expiresAt, idleSeconds, lastUsedAt }: Session, leftMs: number): string {
  const left = leftMs > warningMs ? Math.ceil(leftMs / 60_000) * 60_000 : Math.ceil(leftMs / 1_000) * 1_000;
  // A request extends the session, but not beyond `expiresAt`, when its token expires.
  const isProlonged = Date.parse(expiresAt) > lastUsedAt + idleSeconds * 1_000 + 1_000;
  return `Signed out in ${formatDuration(left)}${isProlonged ? ' unless you open or send something' : ''}`;
}

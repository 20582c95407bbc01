import { formatDuration } from '../ui/format.ts';
import { PopoverButton } from '../ui/popover.tsx';
import { useNow } from '../ui/use-now.ts';
import { useConnection } from './live-context.tsx';
import type { Close, Connection } from './voucher-feed.ts';

/** Shows whether codes arrive live, and why not. */
export function ConnectionLight() {
  const connection = useConnection();
  const now = useNow(connection?.phase === 'reconnecting' ? 1_000 : null);
  if (!connection) return null;
  const { label, detail } = describe(connection, now);
  return (
    <PopoverButton
      className="light"
      phase={connection.phase}
      label={
        <>
          <span className="light-dot" aria-hidden="true" />
          <span role="status">{label}</span>
        </>
      }
      title={label}
    >
      <p className="hint">{detail}</p>
    </PopoverButton>
  );
}

function describe(connection: Connection, now: number): { label: string; detail: string } {
  switch (connection.phase) {
    case 'connecting':
      return { label: 'Connecting', detail: 'Opening the WebSocket over which codes arrive.' };
    case 'live': {
      const { caughtUp } = connection;
      if (caughtUp === null) return { label: 'Live', detail: 'Codes appear here as they arrive, over a WebSocket.' };
      const missed = caughtUp === 1 ? '1 code' : `${caughtUp} codes`;
      return {
        label: caughtUp > 0 ? `Live, caught up ${missed}` : 'Live, resumed',
        detail: `Resumed after the last code; ${missed} had come meanwhile. Before: ${closeText(connection.lastClose)}`,
      };
    }
    case 'reconnecting':
      return {
        label:
          now - connection.since < 1_000
            ? 'Reconnecting'
            : `Reconnecting for ${formatDuration(now - connection.since)}`,
        detail: `${closeText(connection.closed)} Nothing is lost: the page resumes after the last code. Until then it reads what is pending each 5 s.`,
      };
    case 'closed':
      return { label: 'Not live', detail: `${closeText(connection.closed)} Sign in again to continue.` };
  }
}

function closeText(closed: Close | null): string {
  if (!closed) return 'The connection failed.';
  const reason = closed.reason || (closed.code === 1006 ? 'The connection was lost' : 'The connection was closed');
  return `${reason.replace(/\.$/, '')} (close code ${closed.code}).`;
}

import { formatSeconds } from '../ui/duration.ts';
import { PopoverButton } from '../ui/popover.tsx';
import { timeText } from '../ui/time-text.ts';
import { useNow } from '../ui/use-now.ts';
import type { Close, Connection, Lost } from './connection-state.ts';
import { useConnection, useLive } from './live-context.tsx';
import { useIsPaused } from './paused-context.tsx';

interface Description {
  label: string;
  /** The label on a small screen. */
  short: string;
  detail: string;
}

/** Shows whether codes arrive live. If they do not, shows the reason. */
export function ConnectionLight() {
  const connection = useConnection();
  const { connectAgain } = useLive();
  const isPaused = useIsPaused() && connection?.phase === 'live';
  const now = useNow(connection?.phase === 'reconnecting' ? 1_000 : null);
  if (!connection) return null;
  const { label, short, detail } = isPaused ? paused : describe(connection, now);
  return (
    <PopoverButton
      className="light"
      phase={isPaused ? 'paused' : connection.phase}
      label={
        <>
          <span className="light-dot" aria-hidden="true" />
          <span role="status">
            <span className="not-on-phone">{label}</span>
            <span className="on-phone">{short}</span>
          </span>
        </>
      }
      title={label}
    >
      <p className="hint">{detail}</p>
      {connection.phase === 'closed' && connection.closed && (
        <button type="button" className="button" onClick={connectAgain}>
          Connect again
        </button>
      )}
    </PopoverButton>
  );
}

const paused: Description = {
  label: 'Paused',
  short: 'Paused',
  detail: 'You have switched off “Update automatically” for the request that is shown. The request itself continues.',
};

function describe(connection: Connection, now: number): Description {
  switch (connection.phase) {
    case 'connecting':
      return { label: 'Connecting', short: 'Opening', detail: 'Opening the connection over which codes arrive.' };
    case 'live': {
      const { caughtUp, lost } = connection;
      if (caughtUp === null)
        return {
          label: 'Live',
          short: 'Live',
          detail:
            'The live connection works: codes appear here as they arrive, over a WebSocket. A list that could not be read says so itself.',
        };
      const missed = caughtUp === 1 ? '1 code' : `${caughtUp} codes`;
      const arrived =
        caughtUp === 0
          ? 'No code arrived while you were offline.'
          : `${missed} arrived while you were offline, and ${caughtUp === 1 ? 'is' : 'are'} shown now.`;
      return {
        label: caughtUp > 0 ? `Back online, ${missed}` : 'Back online',
        short: 'Live',
        detail: `${arrived} ${lost ? lossText(lost) : ''}`,
      };
    }
    case 'reconnecting':
      return {
        label: `Offline for ${formatSeconds(now - connection.since)}, reconnecting…`,
        short: 'Offline',
        detail: `Your requests continue, and no code is lost: what arrives meanwhile is shown once you are back online. ${lossText(connection)}`,
      };
    case 'closed':
      if (connection.closed === null)
        return { label: 'Signed out', short: 'Signed out', detail: 'Codes appear live again once you sign in.' };
      return {
        label: 'Not live',
        short: 'Not live',
        detail: `The gateway refuses to send codes live${causeText(connection.closed)}. Your requests continue: while one is in progress, this page reads it again every 5 seconds.`,
      };
  }
}

function lossText({ since, closed }: Lost): string {
  return `The connection was lost at ${timeText(since)}${closed ? causeText(closed) : ''}.`;
}

/**
 * Returns the reason and the close code of a closed connection, in brackets. Code 0 is left out, because it only marks
 * a refused subscription.
 */
function causeText({ code, reason }: Close): string {
  const causes = [reason.replace(/\.$/, ''), code === 0 ? '' : `code ${code}`].filter(Boolean);
  return causes.length === 0 ? '' : ` (${causes.join(', ')})`;
}

import { formatDuration, formatSeconds } from '../ui/duration.ts';
import { preciseTimeText, timeText } from '../ui/time-text.ts';
import { useNow } from '../ui/use-now.ts';
import type { Entry } from './timeline.ts';

/** A longer time between two entries is drawn as a compressed gap. */
const longGapMs = 2_000;

/**
 * Draws the entries, and between two entries the time that has passed. A pending entry shows the time until it is due,
 * or the time since its wait began.
 */
export function TimelineView({ entries, paused }: { entries: readonly Entry[]; paused: boolean }) {
  const isPending = entries.some(({ state }) => state === 'pending');
  const now = useNow(isPending && !paused ? 1_000 : null);
  const lastAt = entries.findLast(({ state }) => state !== 'pending')?.at ?? now;
  return (
    <ol className="timeline">
      {entries.map((entry, index) => {
        const before = entries[index - 1];
        const isWaiting = entry.state === 'pending';
        const gapMs = before && !isWaiting ? entry.at - before.at : null;
        return (
          <li
            key={entry.key}
            data-state={entry.state}
            data-gap={gapMs !== null && gapMs > longGapMs ? 'long' : undefined}
          >
            {gapMs !== null && <span className="gap">{`+${formatDuration(gapMs)}`}</span>}
            <div className="entry">
              <strong>{entry.title}</strong>
              <time dateTime={new Date(entry.at).toISOString()}>
                {isWaiting ? (paused ? pausedText(entry) : waitText(entry, lastAt, now)) : preciseTimeText(entry.at)}
              </time>
              {entry.detail && <p>{entry.detail}</p>}
              {entry.response && (
                <details>
                  <summary>Your server replied:</summary>
                  <pre>{entry.response}</pre>
                </details>
              )}
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function waitText({ at, since, isScheduled }: Entry, lastAt: number, now: number): string {
  if (isScheduled && at > now) return `in ${formatSeconds(Math.ceil((at - now) / 1_000) * 1_000)}`;
  return since === undefined
    ? `${formatSeconds(now - lastAt)} so far`
    : `${formatSeconds(now - since)} since the request`;
}

/**
 * Returns the text of a pending entry while updates are paused. It has no duration, because the duration would not be
 * updated.
 */
const pausedText = ({ at, isScheduled }: Entry) => (isScheduled ? `at ${timeText(at)}` : 'not updated');

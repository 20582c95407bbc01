import { useEffect, useRef } from 'react';
import { useLive } from './live-context.tsx';

/**
 * Delays of the reads after an event. An event may arrive before the voucher or failure is stored and its deliveries
 * are created: usually some milliseconds before, under load many seconds.
 */
const delaysMs = [0, 1_000, 4_000, 15_000, 60_000];
/** The pause after a read. Without it, each of many events in a row would cause a read. */
const pauseMs = 1_000;

/** Reads a view again after each event and reconnect, unless paused. `read` resolves when the read has ended. */
export function useReadOnEvents(read: () => Promise<unknown>, paused = false): void {
  const { version } = useLive();
  const latest = useRef(read);
  latest.current = read;
  // Resolves when the last read and the pause after it have ended.
  const reading = useRef<Promise<unknown>>(Promise.resolve());
  useEffect(() => {
    if (paused || version === 0) return;
    let left = false;
    const readNext = async () => {
      // The read in progress may have begun before the event, so another one follows.
      await reading.current;
      if (left) return;
      reading.current = latest
        .current()
        .catch(() => {})
        .then(() => new Promise((resolve) => setTimeout(resolve, pauseMs)));
    };
    const timers = delaysMs.map((delayMs) => setTimeout(() => void readNext(), delayMs));
    return () => {
      left = true;
      timers.forEach(clearTimeout);
    };
  }, [version, paused]);
}

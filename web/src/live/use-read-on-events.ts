import { useEffect, useRef } from 'react';
import { useLive } from './live-context.tsx';

/**
 * After each event, a view reads its data once after each of these delays. An event may arrive before the server has
 * stored the voucher or failure and created the deliveries. Usually the server needs some milliseconds more, and under
 * load many seconds.
 */
const delaysMs = [0, 1_000, 4_000, 15_000, 60_000];
/** The pause after a read. Without the pause, many events in a row would cause many reads. */
const pauseMs = 1_000;

/** Reads a view again after each event and reconnect, unless paused. `read` resolves when the read has ended. */
export function useReadOnEvents(read: () => Promise<unknown>, paused = false): void {
  const { version } = useLive();
  const latest = useRef(read);
  latest.current = read;
  // Resolves when the last read has ended, and the pause after that read as well.
  const reading = useRef<Promise<unknown>>(Promise.resolve());
  useEffect(() => {
    if (paused || version === 0) return;
    let left = false;
    const readNext = async () => {
      // A read that is in progress may have begun before the event. So the next read starts only after that read has
      // ended.
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

import { useEffect, useRef } from 'react';
import { useLive } from './live-context.tsx';

/**
 * An event may arrive before the voucher service has stored its outcome, and before its deliveries are planned: usually
 * some milliseconds, under load many seconds.
 */
const delaysMs = [0, 1_000, 4_000, 15_000, 60_000];
/** The pause between two reads: of many events in a row each would else cause one. */
const pauseMs = 1_000;

/** Reads a view again after each event and reconnect, unless paused. */
export function useReadOnEvents(read: () => void, paused = false): void {
  const { version } = useLive();
  const latest = useRef(read);
  latest.current = read;
  const readAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    if (paused || version === 0) return;
    const untilNextMs = Math.max(0, readAt.current + pauseMs - performance.now());
    const timers = delaysMs.map((delayMs) =>
      setTimeout(() => {
        readAt.current = performance.now();
        latest.current();
      }, untilNextMs + delayMs),
    );
    return () => timers.forEach(clearTimeout);
  }, [version, paused]);
}

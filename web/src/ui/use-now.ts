import { useEffect, useState } from 'react';

/**
 * Returns the current time in milliseconds, and updates it every `periodMs`. If `periodMs` is null, the time is not
 * updated.
 */
export function useNow(periodMs: number | null): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (periodMs === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), periodMs);
    return () => clearInterval(timer);
  }, [periodMs]);
  return now;
}

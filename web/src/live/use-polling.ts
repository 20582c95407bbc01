import { useEffect, useRef } from 'react';

const periodMs = 5_000;

/**
 * Reads a view again every 5 s while `isNeeded` is true. This is for times without a WebSocket, when no events arrive.
 */
export function usePolling(read: () => void, isNeeded: boolean): void {
  const latest = useRef(read);
  latest.current = read;
  useEffect(() => {
    if (!isNeeded) return;
    const timer = setInterval(() => latest.current(), periodMs);
    return () => clearInterval(timer);
  }, [isNeeded]);
}

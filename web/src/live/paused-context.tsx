import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';

const PausedContext = createContext<readonly [boolean, (paused: boolean) => void]>([false, () => {}]);

/** Holds whether updates of the shown request are paused. Both the request and the connection light show this. */
export function PausedProvider({ children }: { children: ReactNode }) {
  return <PausedContext value={useState(false)}>{children}</PausedContext>;
}

export const useIsPaused = () => useContext(PausedContext)[0];

/**
 * Returns whether updates are paused, and a function to change this. When the user leaves the view, updates continue.
 */
export function usePaused() {
  const [paused, setPaused] = useContext(PausedContext);
  useEffect(() => () => setPaused(false), [setPaused]);
  return [paused, setPaused] as const;
}

import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';

const PausedContext = createContext<readonly [boolean, (paused: boolean) => void]>([false, () => {}]);

/** Shares whether updates of the shown request are paused, because the connection light shows it, too. */
export function PausedProvider({ children }: { children: ReactNode }) {
  return <PausedContext value={useState(false)}>{children}</PausedContext>;
}

export const useIsPaused = () => useContext(PausedContext)[0];

/** Returns the state of a view's switch for updates. When the user leaves the view, updates are on again. */
export function usePaused() {
  const [paused, setPaused] = useContext(PausedContext);
  useEffect(() => () => setPaused(false), [setPaused]);
  return [paused, setPaused] as const;
}

import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';

const PausedContext = createContext<readonly [boolean, (paused: boolean) => void]>([false, () => {}]);

/** Shares whether the request that is shown is paused with the connection light. */
export function PausedProvider({ children }: { children: ReactNode }) {
  return <PausedContext value={useState(false)}>{children}</PausedContext>;
}

export const useIsPaused = () => useContext(PausedContext)[0];

/** The switch of a view, which is on again when the user leaves the view. */
export function usePaused() {
  const [paused, setPaused] = useContext(PausedContext);
  useEffect(() => () => setPaused(false), [setPaused]);
  return [paused, setPaused] as const;
}

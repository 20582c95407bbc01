import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from 'react';
import type { Command } from '../ui/curl.ts';

type ReadCommands = () => readonly Command[];

interface Registry {
  add(read: ReadCommands): () => void;
  /** Returns the commands of all components that are on screen now. */
  read(): Command[];
}

const CommandsContext = createContext<Registry>({ add: () => () => {}, read: () => [] });

/** Collects the operations of all components on screen, so that one menu offers all of them. */
export function CommandsProvider({ children }: { children: ReactNode }) {
  const registry = useMemo<Registry>(() => {
    const reads = new Set<ReadCommands>();
    return {
      add(read) {
        reads.add(read);
        return () => reads.delete(read);
      },
      read: () => [...reads].flatMap((read) => read()),
    };
  }, []);
  return <CommandsContext value={registry}>{children}</CommandsContext>;
}

/** Adds a component's operations, with its current variables, to the API menu while the component is on screen. */
export function useCommands(commands: readonly Command[]): void {
  const { add } = useContext(CommandsContext);
  const latest = useRef(commands);
  latest.current = commands;
  useEffect(() => add(() => latest.current), [add]);
}

export const useCommandsOnScreen = () => useContext(CommandsContext).read();

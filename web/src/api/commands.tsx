import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from 'react';
import type { Command } from '../ui/curl.ts';

type ReadCommands = () => readonly Command[];

interface Registry {
  add(read: ReadCommands): () => void;
  /** The commands of what is on screen now. */
  read(): Command[];
}

const CommandsContext = createContext<Registry>({ add: () => () => {}, read: () => [] });

/** Collects the operations of what is on screen, so that one menu offers them all. */
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

/** Offers a component's operations while it is on screen, with its present variables. */
export function useCommands(commands: readonly Command[]): void {
  const { add } = useContext(CommandsContext);
  const latest = useRef(commands);
  latest.current = commands;
  useEffect(() => add(() => latest.current), [add]);
}

export const useCommandsOnScreen = () => useContext(CommandsContext).read();

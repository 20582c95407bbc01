import { type RefObject, useLayoutEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

interface Row {
  id: string;
}

export interface HeldRows<Shown extends Row> {
  /** Of the element whose children are the rows. */
  list: RefObject<HTMLElement | null>;
  rows: readonly Shown[];
  /** The number of rows that have arrived and are not shown; infinite if all of the newest page have. */
  held: number;
  show(): void;
}

/**
 * Holds back the rows that arrive while a list is being read, until the reader asks for them: they would move the others
 * under the pointer. Changes of rows that are shown are shown at once.
 *
 * @param latest the rows as they were read last; the same array until they are read again
 * @param page names the page of the list: the rows of another one replace all
 * @param ownId the row that the reader asked for: it is never held back
 */
export function useHeldRows<Shown extends Row>(
  latest: readonly Shown[],
  page: string,
  ownId: string | null = null,
): HeldRows<Shown> {
  const list = useRef<HTMLElement>(null);
  const [shown, setShown] = useState({ page, rows: latest, held: 0 });
  useLayoutEffect(() => {
    setShown((before) => {
      const all = { page, rows: latest, held: 0 };
      const known = new Set(before.rows.map(({ id }) => id));
      const arrived = latest.filter(({ id }) => !known.has(id));
      if (before.page !== page || known.size === 0 || arrived.length === 0) return all;
      if (arrived.some(({ id }) => id === ownId)) return all;
      if (before.held === 0 && !isBeingRead(list.current)) return all;
      const current = new Map(latest.map((row) => [row.id, row]));
      return {
        page,
        rows: before.rows.map((row) => current.get(row.id) ?? row),
        held: arrived.length === latest.length ? Infinity : arrived.length,
      };
    });
  }, [latest, page, ownId]);
  return {
    list,
    rows: shown.rows,
    held: shown.held,
    show() {
      flushSync(() => setShown({ page, rows: latest, held: 0 }));
      // The button that had the focus is gone.
      list.current?.querySelector<HTMLElement>('a, button, summary')?.focus();
    },
  };
}

/** Whether the pointer or the keyboard is in a list, or its top is scrolled out of view. */
function isBeingRead(list: HTMLElement | null): boolean {
  if (!list) return false;
  const { top, bottom } = list.getBoundingClientRect();
  if (top < 0 || list.matches(':hover') || list.querySelector(':focus-visible')) return true;
  // A finger is nowhere before it taps.
  return matchMedia('(hover: none)').matches && top < innerHeight && bottom > 0;
}

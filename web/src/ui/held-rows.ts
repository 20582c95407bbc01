import { type RefObject, useLayoutEffect, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

interface Row {
  id: string;
}

export interface HeldRows<Shown extends Row> {
  /** The element whose children are the rows. */
  list: RefObject<HTMLElement | null>;
  rows: readonly Shown[];
  /**
   * The number of rows that have arrived and are not shown. `Infinity` if it is unknown, because no row of the newest
   * page of the list is shown.
   */
  held: number;
  show(): void;
}

/**
 * Holds back rows that arrive while the user reads a list, until the user requests them. Otherwise a new row would move
 * the row that the user wants to click. Changes of shown rows appear immediately.
 *
 * @param latest the rows as they were last read from the server. Pass the same array until the next read
 * @param page names the page of the list; the rows of another page replace all rows
 * @param ownId a row that is never held back, because the user has created or opened it
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
      // The button that shows the new rows had the focus, and is now removed. So the first link or button of the list
      // gets the focus.
      list.current?.querySelector<HTMLElement>('a, button, summary')?.focus();
    },
  };
}

/**
 * Whether the user reads a list. Signs of this are the pointer or the keyboard focus in the list, or a top edge that is
 * scrolled out of view.
 */
function isBeingRead(list: HTMLElement | null): boolean {
  if (!list) return false;
  const { top, bottom } = list.getBoundingClientRect();
  if (top < 0 || list.matches(':hover') || list.querySelector(':focus-visible')) return true;
  // A touch screen has no pointer. There a visible list counts as being read.
  return matchMedia('(hover: none)').matches && top < innerHeight && bottom > 0;
}

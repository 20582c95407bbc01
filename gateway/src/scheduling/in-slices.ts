import { setImmediate } from 'node:timers/promises';

/** Time for which the work may block the event loop before it yields. */
const sliceMs = 5;

/** Calls `work` for each item in order, and yields to the event loop every few milliseconds. */
export async function inSlices<Item>(items: Iterable<Item>, work: (item: Item) => void | Promise<void>): Promise<void> {
  let since = performance.now();
  for (const item of items) {
    const working = work(item);
    if (working) await working;
    if (performance.now() - since < sliceMs) continue;
    await setImmediate();
    since = performance.now();
  }
}

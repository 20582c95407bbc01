/** Items that wait, by who asked for them: askers take turns, however many items one of them has. */
export class FairQueue<Item> {
  readonly #byAsker = new Map<string, Set<Item>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(asker: string, item: Item): void {
    this.#byAsker.set(asker, (this.#byAsker.get(asker) ?? new Set()).add(item));
    this.#size += 1;
  }

  /** Removes one that waits no longer; false where it has left the queue already. */
  delete(asker: string, item: Item): boolean {
    const items = this.#byAsker.get(asker);
    if (!items?.delete(item)) return false;
    this.#size -= 1;
    if (items.size === 0) this.#byAsker.delete(asker);
    return true;
  }

  /** The next in turn; undefined when nothing waits. */
  shift(): Item | undefined {
    const [first] = this.#byAsker;
    if (!first) return undefined;
    const [asker, items] = first;
    const [item] = items;
    this.delete(asker, item as Item);
    // After everybody else.
    if (this.#byAsker.delete(asker)) this.#byAsker.set(asker, items);
    return item;
  }

  /** Removes the newest item of the asker that has most. */
  evict(): Item | undefined {
    let most: [asker: string, items: Set<Item>] | undefined;
    for (const entry of this.#byAsker) if (!most || entry[1].size > most[1].size) most = entry;
    if (!most) return undefined;
    const item = [...most[1]].at(-1) as Item;
    this.delete(most[0], item);
    return item;
  }
}

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

  /** Takes one out that waits no longer; nothing happens where it has left the queue already. */
  delete(asker: string, item: Item): void {
    const items = this.#byAsker.get(asker);
    if (!items?.delete(item)) return;
    this.#size -= 1;
    if (items.size === 0) this.#byAsker.delete(asker);
  }

  /** The next in turn; undefined when nothing waits. */
  shift(): Item | undefined {
    const [first] = this.#byAsker;
    if (!first) return undefined;
    const [asker, items] = first;
    const [item] = items;
    items.delete(item as Item);
    this.#byAsker.delete(asker);
    // After everybody else.
    if (items.size > 0) this.#byAsker.set(asker, items);
    this.#size -= 1;
    return item;
  }
}

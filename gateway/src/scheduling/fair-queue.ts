/** A queue in which requesters take turns, however many items each of them has. */
export class FairQueue<Item> {
  readonly #byRequester = new Map<string, Set<Item>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(requester: string, item: Item): void {
    this.#byRequester.set(requester, (this.#byRequester.get(requester) ?? new Set()).add(item));
    this.#size += 1;
  }

  /** Removes an item. Returns false if it is not in the queue. */
  delete(requester: string, item: Item): boolean {
    const items = this.#byRequester.get(requester);
    if (!items?.delete(item)) return false;
    this.#size -= 1;
    if (items.size === 0) this.#byRequester.delete(requester);
    return true;
  }

  /**
   * Removes and returns the next item; undefined if the queue is empty.
   *
   * @param isOverdue called with the oldest item of the next requester; true takes its newest item instead. Default: false
   */
  shift(isOverdue: (oldest: Item) => boolean = () => false): Item | undefined {
    const [first] = this.#byRequester;
    if (!first) return undefined;
    const [requester, items] = first;
    const [oldest] = items as Iterable<Item>;
    const item = isOverdue(oldest as Item) ? [...items].at(-1) : oldest;
    this.delete(requester, item as Item);
    // Moves the requester to the end of the round.
    if (this.#byRequester.delete(requester)) this.#byRequester.set(requester, items);
    return item;
  }

  /**
   * Removes the newest item of the requester that takes the most.
   *
   * @param taken what a requester takes. Default: the number of its items
   */
  evict(taken: (requester: string, count: number) => number = (_requester, count) => count): Item | undefined {
    let most: [requester: string, items: Set<Item>] | undefined;
    let mostTaken = 0;
    for (const entry of this.#byRequester) {
      const takes = taken(entry[0], entry[1].size);
      if (!most || takes > mostTaken) [most, mostTaken] = [entry, takes];
    }
    if (!most) return undefined;
    const item = [...most[1]].at(-1) as Item;
    this.delete(most[0], item);
    return item;
  }
}

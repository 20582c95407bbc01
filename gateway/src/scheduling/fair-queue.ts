import { type Link, LinkedList } from './linked-list.ts';

interface Requester<Item> {
  name: string;
  items: LinkedList<Item>;
  size: number;
  /** The requester's link in the list of requesters, in the order of their turns. */
  turn: Link<Requester<Item>>;
  /** The requester's link in the list of requesters with the same number of items. */
  ofSize: Link<Requester<Item>>;
}

/**
 * A queue of items from several requesters, such as clients. Requesters take turns, regardless of how many items each
 * has. All calls take constant time, except `evict` with an argument.
 */
export class FairQueue<Item> {
  readonly #requesters = new Map<string, Requester<Item>>();
  readonly #links = new Map<Item, Link<Item>>();
  readonly #round = new LinkedList<Requester<Item>>();
  /** Lists of requesters, indexed by number of items. The last list has the requesters with the most items. */
  readonly #bySize: LinkedList<Requester<Item>>[] = [];

  get size(): number {
    return this.#links.size;
  }

  /** Adds an item that is not in the queue yet. */
  push(name: string, item: Item): void {
    const requester = this.#requesters.get(name) ?? this.#addRequester(name);
    this.#links.set(item, requester.items.add(item));
    this.#resize(requester, requester.size + 1);
  }

  /** Removes an item. Returns false if it is not in the queue. */
  delete(name: string, item: Item): boolean {
    const requester = this.#requesters.get(name);
    const link = this.#links.get(item);
    if (!requester || !link) return false;
    this.#remove(requester, link);
    return true;
  }

  /**
   * Removes and returns the next item; undefined if the queue is empty.
   *
   * @param isOverdue called with the oldest item of the next requester. If it returns true, that requester's newest
   *   item is taken instead. Default: never
   */
  shift(isOverdue: (oldest: Item) => boolean = () => false): Item | undefined {
    const requester = this.#round.first?.value;
    if (!requester) return undefined;
    this.#round.remove(requester.turn);
    requester.turn = this.#round.add(requester);
    const { first, last } = requester.items;
    return this.#remove(requester, first && isOverdue(first.value) ? last : first);
  }

  /**
   * Removes and returns the newest item of the requester that uses the most of the queue.
   *
   * @param taken returns how much of the queue a requester uses, for example in bytes; called for all requesters.
   *   Default: the number of the requester's items
   */
  evict(taken?: (requester: string) => number): Item | undefined {
    const requester = taken ? this.#findMost(taken) : this.#bySize.at(-1)?.first?.value;
    return requester && this.#remove(requester, requester.items.last);
  }

  #findMost(taken: (requester: string) => number): Requester<Item> | undefined {
    let most: Requester<Item> | undefined;
    let mostTaken = 0;
    for (const requester of this.#requesters.values()) {
      const takes = taken(requester.name);
      if (!most || takes > mostTaken) [most, mostTaken] = [requester, takes];
    }
    return most;
  }

  #addRequester(name: string): Requester<Item> {
    const requester = { name, items: new LinkedList<Item>(), size: 0 } as Requester<Item>;
    requester.turn = this.#round.add(requester);
    requester.ofSize = this.#ofSize(0).add(requester);
    this.#requesters.set(name, requester);
    return requester;
  }

  #remove(requester: Requester<Item>, link: Link<Item> | undefined): Item | undefined {
    if (!link) return undefined;
    this.#links.delete(link.value);
    requester.items.remove(link);
    this.#resize(requester, requester.size - 1);
    if (requester.size === 0) this.#removeRequester(requester);
    return link.value;
  }

  #removeRequester(requester: Requester<Item>): void {
    this.#round.remove(requester.turn);
    this.#ofSize(0).remove(requester.ofSize);
    this.#requesters.delete(requester.name);
  }

  /**
   * Moves a requester to the list of its new size. The new size differs by one from the old size. So if the last list
   * becomes empty, the requester is in the previous list, which becomes the last list.
   */
  #resize(requester: Requester<Item>, size: number): void {
    this.#ofSize(requester.size).remove(requester.ofSize);
    requester.size = size;
    requester.ofSize = this.#ofSize(size).add(requester);
    if (!this.#bySize.at(-1)?.first) this.#bySize.pop();
  }

  #ofSize(size: number): LinkedList<Requester<Item>> {
    this.#bySize[size] ??= new LinkedList();
    return this.#bySize[size];
  }
}

/** A list entry with its value. The entry can be removed without a search. */
export interface Link<Value> {
  readonly value: Value;
  previous: Link<Value> | undefined;
  next: Link<Value> | undefined;
}

/**
 * A doubly linked list: access to both ends and removal take constant time. A Set is no replacement: the more entries
 * were deleted, the longer V8 takes to find the first entry.
 */
export class LinkedList<Value> {
  #first: Link<Value> | undefined;
  #last: Link<Value> | undefined;

  get first(): Link<Value> | undefined {
    return this.#first;
  }

  get last(): Link<Value> | undefined {
    return this.#last;
  }

  /** Adds a value at the end. */
  add(value: Value): Link<Value> {
    const link: Link<Value> = { value, previous: this.#last, next: undefined };
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    return link;
  }

  /** Removes a link, which must be in this list. */
  remove({ previous, next }: Link<Value>): void {
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
  }
}

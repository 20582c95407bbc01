import { isAnother, type Place } from '@voucher-gateway/platform/topics';

/** When the last messages of a topic were published: what tells whether a place is still of the same topic. */
export class PublishTimes {
  readonly #maxPerPartition: number;
  /** By partition, then position, in order. */
  readonly #times = new Map<number, Map<number, number>>();

  constructor(maxPerPartition: number = Number.POSITIVE_INFINITY) {
    this.#maxPerPartition = maxPerPartition;
  }

  add({ partition, position, publishedAt }: { partition: number; position: number; publishedAt: number }): void {
    let times = this.#times.get(partition);
    if (!times) {
      times = new Map();
      this.#times.set(partition, times);
    }
    times.set(position, publishedAt);
    if (times.size <= this.#maxPerPartition) return;
    const [oldest] = times.keys();
    times.delete(oldest as number);
  }

  /** Lets go of all through a position. */
  letGo(partition: number, through: number): void {
    const times = this.#times.get(partition);
    for (const position of times?.keys() ?? []) {
      if (position > through) return;
      times?.delete(position);
    }
  }

  /** Lets go of a partition. */
  reset(partition: number): void {
    this.#times.delete(partition);
  }

  /** The place at a position, as far as it is known. */
  place(partition: number, position: number): Place {
    return { position, publishedAt: this.#times.get(partition)?.get(position) };
  }

  /** Whether another message is known to stand there. */
  contradicts(partition: number, place: Place): boolean {
    return isAnother(place, this.place(partition, place.position));
  }
}

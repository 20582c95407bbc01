import { createLowWaterMark, type LowWaterMark } from '../../low-water-mark.ts';

/** Limits of the messages that a partition keeps in memory. */
export interface PartitionBounds {
  maxHeld: number;
  maxHeldBytes: number;
}

/** The state of a partition that is assigned to this consumer, from its first batch until it is revoked. */
export class AssignedPartition {
  readonly partition: number;
  /** Aborts when the partition is revoked, and when the consumer stops. */
  readonly isOver: AbortSignal;
  /** Resolves when the partition's messages may be handled. */
  begun: Promise<unknown> = Promise.resolve();
  /** The last committed position. */
  committed: number;
  /** The position that `onFinishedThrough` received last. */
  reported: number;
  isPaused = false;
  readonly #bounds: PartitionBounds;
  readonly #mark: LowWaterMark;
  readonly #revoked = new AbortController();
  /** Position of the last message that was added. */
  #last: number;

  /**
   * @param position the position through which the group had finished the partition
   * @param stop aborts when the consumer stops
   */
  constructor(partition: number, position: number, { stop, ...bounds }: PartitionBounds & { stop: AbortSignal }) {
    this.partition = partition;
    this.isOver = AbortSignal.any([stop, this.#revoked.signal]);
    this.committed = position;
    this.reported = position;
    this.#bounds = bounds;
    this.#mark = createLowWaterMark(position);
    this.#last = position;
  }

  /**
   * Adds a message that was read. Returns false if it was added before: after a rebalance, kafkajs reads messages
   * again.
   */
  take(position: number, bytes: number): boolean {
    if (position <= this.#last) return false;
    this.#last = position;
    this.#mark.take(position, bytes);
    return true;
  }

  finish(position: number): void {
    this.#mark.finish(position);
  }

  /**
   * Returns the position through which all messages are finished, optionally with the message at `position` counted as
   * finished.
   */
  finishedThrough(position?: number): number {
    return this.#mark.through(position);
  }

  get isFull(): boolean {
    return this.#isFilled(1);
  }

  /** Whether the partition is below half of its limits, so that it resumes after a pause. */
  get isDrained(): boolean {
    return !this.#isFilled(0.5);
  }

  revoke(): void {
    this.#revoked.abort();
  }

  #isFilled(share: number): boolean {
    const { maxHeld, maxHeldBytes } = this.#bounds;
    return this.#mark.size >= maxHeld * share || this.#mark.bytes >= maxHeldBytes * share;
  }
}

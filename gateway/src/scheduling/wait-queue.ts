import { CodedError } from '@voucher-gateway/platform/errors';
import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { FairQueue } from './fair-queue.ts';

/** The client of a waiting request. */
export interface Requester {
  /**
   * Requests with the same name belong to one requester. Requesters take turns, so a client with many operations does
   * not delay other clients.
   */
  name: string;
  /** Aborts when the request is no longer needed. */
  signal?: AbortSignal;
  /**
   * Called when the request has to wait, for example to pause reading from the client. The returned function is called
   * after the wait.
   */
  onWait?: (() => () => void) | undefined;
}

/**
 * Returns the requester of a client. The requester's name is the client's address; of an IPv6 address, only the first
 * 64 bits.
 */
export function requesterOf({
  clientAddress,
  signal,
  onWait,
}: Pick<Requester, 'onWait'> & { clientAddress: string; signal: AbortSignal }): Requester {
  return { name: groupAddress(clientAddress), signal, onWait };
}

export interface WaitQueueOptions {
  /** Time-out of an entry; a random part of up to half is subtracted. Default: 10 s. */
  waitTimeoutMs?: number;
  /**
   * Once a requester's oldest entry has waited for this time, the requester's newest entry is served first. Otherwise,
   * under overload, every entry would be served only after its client has given up. Default: 1 s.
   */
  newestFirstAfterMs?: number;
  /** Maximum number of entries; with 0, no entry may wait. Default: 10,000. */
  maxWaiting?: number;
  /** Maximum bytes of all entries; a larger entry is rejected immediately. Default: 128 MiB. */
  maxWaitingBytes?: number;
}

/** An entry of the queue. */
export interface Waiting {
  /** Memory that the entry takes, such as the bytes of an operation's text. */
  readonly bytes: number;
  /** Called with SERVICE_UNAVAILABLE (retryable) if the entry is evicted, times out or is aborted. */
  reject(error: CodedError<PublicErrorCode>): void;
}

/**
 * Number of searches for expired entries per `waitTimeoutMs`. Most entries wait only briefly, so a timer per entry
 * would cost too much.
 */
const looksPerTimeout = 20;

interface Entry {
  name: string;
  addedAtMs: number;
  expiresAtMs: number;
  signal: AbortSignal | undefined;
  leave(): void;
  onEnd: (() => void) | undefined;
}

/** A fair queue, bounded in count, bytes and waiting time. Entries of aborted requests are removed. */
export class WaitQueue<Item extends Waiting> {
  readonly #queue = new FairQueue<Item>();
  readonly #options: Required<WaitQueueOptions>;
  readonly #entries = new Map<Item, Entry>();
  readonly #bytesOf = new Map<string, number>();
  #bytes = 0;
  /** Looks for expired entries while the queue is not empty. */
  #timer: NodeJS.Timeout | null = null;

  constructor({
    waitTimeoutMs = 10_000,
    newestFirstAfterMs = 1_000,
    maxWaiting = 10_000,
    maxWaitingBytes = 134_217_728,
  }: WaitQueueOptions = {}) {
    this.#options = { waitTimeoutMs, newestFirstAfterMs, maxWaiting, maxWaitingBytes };
  }

  get size(): number {
    return this.#queue.size;
  }

  /**
   * Adds an entry. If there are too many entries, the newest entries of the requester with the most entries are
   * rejected. If there are too many bytes, the newest entries of the requester with the most bytes are rejected.
   */
  add({ name, signal, onWait }: Requester, item: Item): void {
    const { waitTimeoutMs, maxWaiting, maxWaitingBytes } = this.#options;
    if (signal?.aborted || maxWaiting === 0 || item.bytes > maxWaitingBytes) {
      item.reject(unavailable());
      return;
    }
    // Evicts entries of the requester that has the most entries or bytes, to protect the entries of other requesters.
    for (;;) {
      const hasTooManyBytes = this.#bytes + item.bytes > maxWaitingBytes;
      if (this.size === 0 || (this.size < maxWaiting && !hasTooManyBytes)) break;
      const evicted = this.#queue.evict(hasTooManyBytes ? (requester) => this.#bytesOf.get(requester) ?? 0 : undefined);
      if (evicted) this.#forget(evicted).reject(unavailable());
    }
    const leave = () => {
      if (this.#queue.delete(name, item)) this.#forget(item).reject(unavailable());
    };
    const addedAtMs = performance.now();
    // The time-out is randomised, so that the requests of a burst do not time out and retry at the same moment.
    const expiresAtMs = addedAtMs + waitTimeoutMs * (0.5 + Math.random() / 2);
    signal?.addEventListener('abort', leave);
    this.#entries.set(item, { name, addedAtMs, expiresAtMs, signal, leave, onEnd: onWait?.() });
    this.#timer ??= setInterval(() => this.#expire(), Math.ceil(waitTimeoutMs / looksPerTimeout)).unref();
    this.#addBytes(name, item.bytes);
    this.#queue.push(name, item);
  }

  /** Removes and returns the next entry; undefined if the queue is empty. */
  shift(): Item | undefined {
    const overdueSinceMs = performance.now() - this.#options.newestFirstAfterMs;
    const item = this.#queue.shift((oldest) => (this.#entries.get(oldest)?.addedAtMs ?? 0) <= overdueSinceMs);
    return item && this.#forget(item);
  }

  #forget(item: Item): Item {
    const entry = this.#entries.get(item);
    if (!entry) return item;
    entry.signal?.removeEventListener('abort', entry.leave);
    entry.onEnd?.();
    this.#entries.delete(item);
    this.#addBytes(entry.name, -item.bytes);
    return item;
  }

  #expire(): void {
    const now = performance.now();
    for (const { expiresAtMs, leave } of [...this.#entries.values()]) if (expiresAtMs <= now) leave();
    // The timer is stopped here, and not in `shift`. Otherwise a queue that often becomes empty would create many
    // timers.
    if (this.size > 0 || !this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #addBytes(name: string, bytes: number): void {
    this.#bytes += bytes;
    const left = (this.#bytesOf.get(name) ?? 0) + bytes;
    if (left === 0) this.#bytesOf.delete(name);
    else this.#bytesOf.set(name, left);
  }
}

export function unavailable(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'Too many operations wait; try again.', {
    retryable: true,
    details: { retryAfterSeconds: 1 },
  });
}

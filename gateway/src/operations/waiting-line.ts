import { groupAddress } from '@voucher-gateway/platform/client-address';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { FairQueue } from './fair-queue.ts';

/** Who asks for work on an operation. */
export interface Requester {
  /** Requesters take turns, so that one with many operations delays nobody else for long. */
  name: string;
  /** Aborts when nobody waits for the work any more. */
  signal?: AbortSignal;
  /** Called when it has to wait, so that nothing more is read of its connection; the result, when it waits no longer. */
  onWait?: (() => () => void) | undefined;
}

/** A client, who takes turns by address, IPv6 by /64. */
export function requesterOf({
  clientAddress,
  signal,
  onWait,
}: Pick<Requester, 'onWait'> & { clientAddress: string; signal: AbortSignal }): Requester {
  return { name: groupAddress(clientAddress), signal, onWait };
}

export interface WaitingLineOptions {
  /** Longest time that one may wait for those before it, in milliseconds; the shortest is half of it. Default: 10 s. */
  waitTimeoutMs?: number;
  /** How many may wait. Default: 10,000. */
  maxWaiting?: number;
  /** Bytes that all that wait may hold. Default: 128 MiB. */
  maxWaitingBytes?: number;
}

/** What waits for its turn. */
export interface Waiting {
  /** What it holds in memory, such as the bytes of its text. */
  readonly bytes: number;
  /** Told SERVICE_UNAVAILABLE (retryable) when it leaves the line without its turn. */
  reject(error: CodedError<PublicErrorCode>): void;
}

/** A fair queue with bounds in count, bytes and time; who leaves, leaves the line. */
export class WaitingLine<Item extends Waiting> {
  readonly #queue = new FairQueue<Item>();
  readonly #options: Required<WaitingLineOptions>;
  /** Of each that waits: what ends its wait. */
  readonly #release = new Map<Item, () => void>();
  #bytes = 0;

  constructor({ waitTimeoutMs = 10_000, maxWaiting = 10_000, maxWaitingBytes = 134_217_728 }: WaitingLineOptions = {}) {
    this.#options = { waitTimeoutMs, maxWaiting, maxWaitingBytes };
  }

  get size(): number {
    return this.#queue.size;
  }

  /** Lets it wait for its turn, or rejects it, or another one in its place. */
  add({ name, signal, onWait }: Requester, item: Item): void {
    const { waitTimeoutMs, maxWaiting, maxWaitingBytes } = this.#options;
    if (signal?.aborted) {
      item.reject(unavailable());
      return;
    }
    // A newcomer does not pay for who fills the line.
    while (this.size > 0 && (this.size >= maxWaiting || this.#bytes + item.bytes > maxWaitingBytes)) {
      const evicted = this.#queue.evict();
      if (evicted) this.#forget(evicted).reject(unavailable());
    }
    const leave = () => {
      if (this.#queue.delete(name, item)) this.#forget(item).reject(unavailable());
    };
    // Those who came at once do not leave at once: each that is rejected is work, and sends the next.
    const timer = setTimeout(leave, waitTimeoutMs * (0.5 + Math.random() / 2));
    signal?.addEventListener('abort', leave, { once: true });
    const onEnd = onWait?.();
    this.#release.set(item, () => {
      clearTimeout(timer);
      onEnd?.();
      signal?.removeEventListener('abort', leave);
    });
    this.#bytes += item.bytes;
    this.#queue.push(name, item);
  }

  /** The next in turn; undefined when nothing waits. */
  shift(): Item | undefined {
    const item = this.#queue.shift();
    return item && this.#forget(item);
  }

  #forget(item: Item): Item {
    this.#release.get(item)?.();
    this.#release.delete(item);
    this.#bytes -= item.bytes;
    return item;
  }
}

export function unavailable(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('SERVICE_UNAVAILABLE', 'Too many operations wait; try again.', {
    retryable: true,
  });
}

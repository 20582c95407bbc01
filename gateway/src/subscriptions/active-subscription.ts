import { groupAddress } from '@voucher-gateway/platform/http/client-address';
import { type GatewayContext, LiveContext } from '../context.ts';
import type { ResumePoint } from './fan-out.ts';
import type { Quota } from './quota.ts';
import type { CatchUp } from './resume/catch-up.ts';
import type { SharedOperation } from './shared-operation.ts';
import type { Subscriber } from './subscriber.ts';

/**
 * Returns the key under which the quota counts a subscription: the user, or the client's address if no token names a
 * user.
 */
function holderOf({ identity, clientAddress }: GatewayContext): string {
  return identity?.userId || ` anonymous ${groupAddress(clientAddress)}`;
}

/** An admitted subscription. Disposing it unsubscribes. */
export interface Subscription extends Disposable {
  /** Starts to send results to the subscriber. Call it once. */
  start(subscriber: Subscriber): void;
}

/**
 * One subscription, from admission until it is disposed. A gateway may have 100,000 of them, and a class instance takes
 * less memory than closures.
 */
export class ActiveSubscription implements Subscription {
  readonly #shared: SharedOperation;
  readonly #claimValue: string;
  #context: GatewayContext;
  readonly #quota: Quota;
  /**
   * The missed events, which are sent before the subscription goes live. Null if the client sent no cursor, and null
   * once the subscription is live.
   */
  #missed: CatchUp | null = null;
  /** The current phase: catching up, or live. */
  #running: Disposable | null = null;
  #hasEnded = false;

  /**
   * @param claimValue value of the subscriber's claim; the subscriber gets only messages with this value
   * @throws CodedError RATE_LIMITED
   */
  constructor(shared: SharedOperation, claimValue: string, context: GatewayContext, quota: Quota) {
    quota.take(holderOf(context));
    shared.enter();
    this.#shared = shared;
    this.#claimValue = claimValue;
    this.#context = context;
    this.#quota = quota;
  }

  /** Makes `start` send missed events before new events. Call it before `start`. */
  resumeWith(missed: CatchUp): void {
    this.#missed = missed;
  }

  start(subscriber: Subscriber): void {
    if (this.#missed && !this.#shared.endedWith) this.#catchUp(subscriber, this.#missed);
    else this.#goLive(subscriber, null);
  }

  #goLive(subscriber: Subscriber, resumePoint: ResumePoint | null): void {
    if (this.#hasEnded) return;
    const { endedWith } = this.#shared;
    // A reload of the supergraph may have ended the operation after the subscription was admitted, for example during
    // catch-up.
    if (endedWith) return void subscriber.end(endedWith);
    this.#context = new LiveContext(this.#context);
    subscriber.onLive?.();
    this.#running = this.#shared.join(subscriber, this.#claimValue, this.#context, resumePoint);
  }

  #catchUp(subscriber: Subscriber, { sendAll }: CatchUp): void {
    const shared = this.#shared;
    const leaving = new AbortController();
    const { signal } = leaving;
    const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    shared.catchingUp.add(subscriber);
    this.#running = {
      [Symbol.dispose]() {
        shared.catchingUp.delete(subscriber);
        leaving.abort();
      },
    };
    sendAll({
      signal,
      send: async (event, planned) => {
        signal.throwIfAborted();
        const json = await shared.execute(event, this.#context, planned);
        signal.throwIfAborted();
        subscriber.next(json, event.cursor);
        // Backpressure: the missed events of a slow consumer stay in the store instead of in memory.
        await Promise.race([subscriber.flushed(), left]);
      },
      goLive: (sent, cursor) => {
        shared.catchingUp.delete(subscriber);
        this.#missed = null;
        this.#goLive(subscriber, { sent, cursor });
      },
    }).catch((error: unknown) => {
      if (!this.#hasEnded) subscriber.end(shared.formatErrors(error));
    });
  }

  [Symbol.dispose](): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#running?.[Symbol.dispose]();
    this.#quota.give(holderOf(this.#context));
    this.#shared.leave();
  }
}

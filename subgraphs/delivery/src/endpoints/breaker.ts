import {
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  halfJitterGenerator,
  handleAll,
  type IBackoff,
} from 'cockatiel';

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Consecutive failures after which it opens. */
  failures: number;
  /** Time for which it stays open first, in milliseconds. It doubles with each failed probe, and varies at random. */
  pauseMs: number;
  maxPauseMs: number;
  /** Called when it has opened after it was closed, and when it has closed. */
  onChange?(state: 'closed' | 'open'): void;
}

/**
 * The circuit breaker of an endpoint, by cockatiel. After some consecutive failures it is open, and no attempt is made. When
 * its pause has ended it is half-open: one attempt is made, which closes it or opens it for a longer pause.
 */
export interface Breaker {
  readonly state: BreakerState;
  /** Whether another attempt may start beside those that are `running`. */
  allows(running: number): boolean;
  /** Takes the result of an attempt. While it is open, results of earlier attempts are ignored. */
  record(isFailure: boolean): void;
}

export function createBreaker({ failures, pauseMs, maxPauseMs, onChange }: BreakerOptions): Breaker {
  let pausedForMs = 0;
  let openUntil = 0;
  let wasOpen = false;
  /** A backoff that reports each pause: cockatiel does not tell when it would let an attempt pass. */
  const reported = <Context>(backoff: IBackoff<Context>): IBackoff<Context> => {
    pausedForMs = backoff.duration;
    return { duration: backoff.duration, next: (context) => reported(backoff.next(context)) };
  };
  const pauses = new ExponentialBackoff({
    initialDelay: pauseMs,
    maxDelay: Math.max(pauseMs, maxPauseMs),
    generator: halfJitterGenerator,
  });
  const policy = circuitBreaker(handleAll, {
    halfOpenAfter: { next: () => reported(pauses.next()) },
    breaker: new ConsecutiveBreaker(failures),
  });
  policy.onBreak(() => {
    // cockatiel measures by the same clock.
    openUntil = Date.now() + pausedForMs;
    if (!wasOpen) onChange?.('open');
    wasOpen = true;
  });
  policy.onReset(() => {
    wasOpen = false;
    onChange?.('closed');
  });
  const isOpen = () => policy.state !== CircuitState.Closed;

  return {
    get state() {
      if (!isOpen()) return 'closed';
      return Date.now() < openUntil ? 'open' : 'half-open';
    },
    allows: (running) => !isOpen() || (running === 0 && Date.now() >= openUntil),
    record(isFailure) {
      const repeat = async () => {
        if (isFailure) throw new Error('the attempt failed');
      };
      // It rejects with that failure, or because the breaker is open.
      policy.execute(repeat).catch(() => {});
    },
  };
}

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Number of consecutive failures after which the breaker opens. */
  failures: number;
  /**
   * Length of the first pause, for which the breaker stays open, in milliseconds. If the attempt after a pause fails,
   * the next pause is twice as long. Each pause is shortened at random, by up to half.
   */
  pauseMs: number;
  maxPauseMs: number;
  /** Called when the breaker changes from closed to open, and when it closes. */
  onChange?(state: 'closed' | 'open'): void;
  /** Returns the time in milliseconds. Default: `performance.now`, so that setting the machine's clock has no effect. */
  now?: () => number;
}

/**
 * The circuit breaker of an endpoint. After some consecutive failures it is open, and no attempt is made. After its
 * pause it is half-open: one attempt is made, which closes the breaker or opens it for a longer pause. The library
 * cockatiel is not used, because it measures pauses by the machine's clock. It also does not report when the next
 * attempt would be allowed.
 */
export interface Breaker {
  readonly state: BreakerState;
  /** Whether another attempt may start while `running` attempts are in progress. */
  allows(running: number): boolean;
  /** Counts the result of an attempt. While the breaker is open, results of earlier attempts are ignored. */
  record(isFailure: boolean): void;
}

export function createBreaker({
  failures,
  pauseMs,
  maxPauseMs,
  onChange,
  now = () => performance.now(),
}: BreakerOptions): Breaker {
  /** Number of consecutive failures while the breaker is closed. */
  let failed = 0;
  /** The current pause; null while the breaker is closed. */
  let pause: { ms: number; until: number } | null = null;
  const open = (ms: number) => {
    // The pause is shortened at random, by up to half. So the attempts after the pauses of many endpoints are spread
    // out.
    pause = { ms, until: now() + ms * (0.5 + Math.random() / 2) };
  };
  const state = () => (pause === null ? 'closed' : now() < pause.until ? 'open' : 'half-open');

  return {
    get state() {
      return state();
    },
    allows(running) {
      const current = state();
      return current === 'closed' || (current === 'half-open' && running === 0);
    },
    record(isFailure) {
      const current = state();
      if (current === 'open') return;
      failed = isFailure ? failed + 1 : 0;
      if (pause !== null) {
        if (isFailure) return open(Math.min(pause.ms * 2, Math.max(pauseMs, maxPauseMs)));
        pause = null;
        onChange?.('closed');
      } else if (failed >= failures) {
        open(pauseMs);
        onChange?.('open');
      }
    },
  };
}

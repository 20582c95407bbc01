export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Consecutive failures after which it opens. */
  failures: number;
  /** Time for which it stays open first, in milliseconds. It doubles with each failed probe, and varies at random. */
  pauseMs: number;
  maxPauseMs: number;
  /** Called when it has opened after it was closed, and when it has closed. */
  onChange?(state: 'closed' | 'open'): void;
  /** Returns the time in milliseconds. Default: `performance.now`, so that setting the machine's clock has no effect. */
  now?: () => number;
}

/**
 * The circuit breaker of an endpoint. After some consecutive failures it is open, and no attempt is made. When its pause has
 * ended it is half-open: one attempt is made, which closes it or opens it for a longer pause. Not by cockatiel, which
 * measures pauses by the machine's clock, and does not report when it would allow an attempt.
 */
export interface Breaker {
  readonly state: BreakerState;
  /** Whether another attempt may start beside those that are `running`. */
  allows(running: number): boolean;
  /** Takes the result of an attempt. While it is open, results of earlier attempts are ignored. */
  record(isFailure: boolean): void;
}

export function createBreaker({
  failures,
  pauseMs,
  maxPauseMs,
  onChange,
  now = () => performance.now(),
}: BreakerOptions): Breaker {
  /** Consecutive failures while it is closed. */
  let failed = 0;
  /** Null while it is closed. */
  let pause: { ms: number; until: number } | null = null;
  const open = (ms: number) => {
    // Up to half of it at random, so that probes of many endpoints spread.
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

export interface PaceOptions {
  /** Limit of attempts in progress. */
  maxRunning: number;
  /** Limit of attempts per second. */
  maxPerSecond: number;
  /** Whether the limit of attempts in progress starts at its maximum. Default: false. */
  isKnown?: boolean;
  /** Returns the time in milliseconds. Default: `performance.now`. */
  now?: () => number;
}

/** Limit of attempts in progress at an endpoint that has not responded yet, because it may never respond. */
const firstRunning = 16;
const leastPerSecond = 0.2;
/** Growth of the rate per success. With this value, the rate triples within about 5 s after a slow-down. */
const growth = 0.2;
/** Further signs of overload within this time count as the same overload. */
const slowDownEveryMs = 1_000;

/**
 * How fast an endpoint may be called: a limit of attempts in progress, and a limit of attempts per second. As in TCP,
 * successes raise both limits up to their maximum, and a sign of overload halves them.
 */
export interface Pace {
  /** Whether another attempt may start while `running` attempts are in progress. */
  allows(running: number): boolean;
  /** Counts an attempt that starts. */
  start(): void;
  /** Undoes `start`, for an attempt that was not made. */
  takeBack(): void;
  /** Counts a success. The limit of attempts in progress grows only if `running` is at least half of that limit. */
  succeed(running: number): void;
  slowDown(): void;
  /** Allows no attempt for a time. A shorter pause does not end a longer pause. */
  pauseFor(ms: number): void;
  readonly isPaused: boolean;
}

export function createPace({
  maxRunning,
  maxPerSecond,
  isKnown = false,
  now = () => performance.now(),
}: PaceOptions): Pace {
  let running = isKnown ? maxRunning : Math.min(firstRunning, maxRunning);
  let perSecond = maxPerSecond;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let slowedAt = Number.NEGATIVE_INFINITY;
  /**
   * A token bucket: the number of attempts that may start now. The bucket holds at most a quarter of `perSecond`, but
   * its limit is never less than 1.
   */
  let tokens = Number.POSITIVE_INFINITY;
  let refilledAt = now();
  /** Number of attempts in the current and in the previous second. */
  let seconds = { number: 0, current: 0, previous: 0 };

  const refill = () => {
    const at = now();
    tokens = Math.min(tokens + ((at - refilledAt) / 1_000) * perSecond, Math.max(1, perSecond / 4));
    refilledAt = at;
  };
  const countSecond = (change: 1 | -1) => {
    const number = Math.floor(now() / 1_000);
    if (number !== seconds.number)
      seconds = { number, current: 0, previous: number === seconds.number + 1 ? seconds.current : 0 };
    seconds.current += change;
  };

  return {
    allows(alreadyRunning) {
      if (alreadyRunning >= running || now() < pausedUntil) return false;
      refill();
      return tokens >= 1;
    },
    start() {
      refill();
      tokens -= 1;
      countSecond(1);
    },
    takeBack() {
      tokens += 1;
      countSecond(-1);
    },
    succeed(alreadyRunning) {
      if (alreadyRunning * 2 >= running) running = Math.min(maxRunning, running + 1);
      perSecond = Math.min(maxPerSecond, perSecond + growth);
    },
    slowDown() {
      if (now() - slowedAt < slowDownEveryMs) return;
      slowedAt = now();
      running = Math.max(1, Math.floor(running / 2));
      const recent = Math.max(seconds.current, seconds.previous, 1);
      refill();
      perSecond = Math.max(leastPerSecond, Math.min(perSecond, recent) / 2);
      refill();
    },
    pauseFor(ms) {
      pausedUntil = Math.max(pausedUntil, now() + ms);
    },
    get isPaused() {
      return now() < pausedUntil;
    },
  };
}

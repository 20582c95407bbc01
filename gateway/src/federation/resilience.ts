import {
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  type IPolicy,
  noop,
  retry,
  wrap,
} from 'cockatiel';

export interface ResilienceOptions {
  /** Number of retries, for calls that may be repeated. */
  retries: number;
  /** Number of consecutive failures after which the circuit breaker opens. With infinity there is no breaker. */
  breakAfter: number;
}

export interface ResilientCall {
  signal: AbortSignal;
  /** Whether an error means that the subgraph did not answer. */
  isFailure(error: unknown): boolean;
  /** Whether the call may be sent again, and enough time is left for that. */
  mayRepeat(): boolean;
}

/** Retries and a circuit breaker for the calls to one subgraph. They use the cockatiel library. */
export interface Resilience {
  /** @throws the errors of the call; BrokenCircuitError while the breaker is open */
  run<T>(call: () => Promise<T>, options: ResilientCall): Promise<T>;
}

/** While the breaker is open, one call is tried in each interval of this length. */
const halfOpenAfterMs = 1_000;
const firstBackoffMs = 50;
const maxBackoffMs = 1_000;

export function createResilience({ retries, breakAfter }: ResilienceOptions): Resilience {
  const breaker: IPolicy = Number.isFinite(breakAfter)
    ? circuitBreaker(
        handleWhen((error) => error instanceof Unanswered),
        { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(breakAfter) },
      )
    : noop;
  const policy = wrap(
    retry(
      handleWhen((error) => error instanceof Unanswered && error.mayRepeat()),
      {
        maxAttempts: retries,
        backoff: new ExponentialBackoff({ initialDelay: firstBackoffMs, maxDelay: maxBackoffMs }),
      },
    ),
    breaker,
  );
  /**
   * Whether the subgraph answered the most recent call. If so, the next call skips cockatiel. Its retries and breaker
   * take more CPU time than the rest of a call.
   */
  let isQuiet = true;

  return {
    async run(call, { signal, isFailure, mayRepeat }) {
      let first: Unanswered | null = null;
      try {
        if (isQuiet) return await call();
      } catch (error) {
        if (!isFailure(error)) throw error;
        first = new Unanswered(error, mayRepeat);
        isQuiet = false;
      }
      try {
        const result = await policy.execute(async () => {
          const failed = first;
          first = null;
          if (failed) throw failed;
          try {
            return await call();
          } catch (error) {
            throw isFailure(error) ? new Unanswered(error, mayRepeat) : error;
          }
        }, signal);
        isQuiet = true;
        return result;
      } catch (error) {
        throw error instanceof Unanswered ? error.cause : error;
      }
    },
  };
}

/**
 * Wraps the error of a call without an answer. Only errors of this class count as failures for the retries and the
 * breaker.
 */
class Unanswered extends Error {
  readonly mayRepeat: () => boolean;

  constructor(cause: unknown, mayRepeat: () => boolean) {
    super('there was no answer', { cause });
    this.mayRepeat = mayRepeat;
  }
}

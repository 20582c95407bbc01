import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log.ts';

/**
 * Time limits of the stages of a stop, in milliseconds. The stages of a service together stay below `defaultStopMs`,
 * even if the database, Kafka and Redis do not respond.
 */
export const stopLimits = {
  /** Only in the gateway: for running operations of sockets and streams, after `DRAIN_WINDOW`. */
  drainMs: 3_000,
  /** For requests, consumers, and background work. */
  workMs: 4_500,
  /** Only in the delivery service: for running attempts, and for storing their results. */
  attemptsMs: 2_000,
  /** Only in the gateway: for the planner. */
  plannerMs: 1_000,
  /** For outbox, jobs, and connections. */
  enginesMs: 3_000,
  /** Only in a service without a database: for the connections to Kafka. */
  connectionsMs: 1_000,
} as const;

/** The parts of a service that stop concurrently. */
export interface StopStage extends AsyncDisposable {
  /** Adds a part, and returns it. */
  use<Part extends AsyncDisposable>(part: Part): Part;
  /** Adds a part that is stopped by a function. */
  defer(stop: () => PromiseLike<unknown>): void;
}

/**
 * Disposing stops all parts concurrently. If that takes longer than `withinMs`, the time-out is logged, and disposing
 * ends. Work that still runs ends when the process exits. Another process then repeats that work, as after a crash.
 */
export function createStopStage({ withinMs, log }: { withinMs: number; log: Log }): StopStage {
  const stops: (() => PromiseLike<unknown>)[] = [];
  return {
    use(part) {
      stops.push(() => part[Symbol.asyncDispose]());
      return part;
    },
    defer: (stop) => void stops.push(stop),
    async [Symbol.asyncDispose]() {
      const errors: unknown[] = [];
      const stopping = stops.map(async (stop) => {
        try {
          await stop();
        } catch (error) {
          errors.push(error);
        }
      });
      const timer = new AbortController();
      const isLate = await Promise.race([
        Promise.all(stopping).then(() => false),
        sleep(withinMs, true, { signal: timer.signal }),
      ]);
      timer.abort();
      if (isLate) log.warn({ withinMs }, 'not everything has stopped in time: the stop continues without it');
      if (errors.length > 0) throw errors.reduce((suppressed, error) => new SuppressedError(error, suppressed));
    },
  };
}

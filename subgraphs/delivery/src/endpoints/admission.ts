import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines, type RepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { SendResult } from '../attempt-result.ts';
import { createCounts } from '../counts.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { type Endpoint, smsEndpointId } from './endpoint.ts';
import { createKeptEntries } from './kept-entries.ts';
import { createPace, type Pace } from './pace.ts';
import { readSigns } from './signs.ts';

/** The right to make one attempt at an endpoint. */
export interface Permit {
  /**
   * Returns the permit. Call it once. `result` is the result of the attempt; null if no attempt was made, or if an
   * internal error ended it.
   */
  release(result: SendResult | null): void;
}

/** Limits the attempts in progress. A delivery without a permit waits in its queue. */
export interface Admission {
  /** Returns a permit; null while an attempt at the endpoint would exceed a limit, or its circuit breaker is open. */
  tryAdmit(endpoint: Endpoint): Permit | null;
  /** Forgets an endpoint's circuit breaker and pause, so that its attempts start at once. */
  forget(endpointId: string): void;
  /** Resolves when no attempt is in progress. */
  idle(): Promise<void>;
  /** Returns numbers for operators: attempts in progress, and endpoints whose deliveries have to wait. */
  report(): AdmissionReport;
}

export interface AdmissionReport {
  /** Number of attempts in progress. */
  running: number;
  /** Number of endpoints whose state is kept. */
  endpoints: number;
  /** Number of endpoints whose circuit breaker is open or half-open. */
  broken: number;
  /** Number of endpoints that have asked for a pause with Retry-After. */
  paused: number;
}

/** Limits per process. */
export interface AdmissionLimits {
  concurrency: number;
  perEndpoint: number;
  perOrigin: number;
  perUser: number;
  /** Limits of attempts per second. */
  ratePerEndpoint: number;
  ratePerUser: number;
  /** Number of consecutive failures that open a circuit breaker, and how long it stays open, in milliseconds. */
  breakerFailures: number;
  breakerPauseMs: number;
  breakerMaxPauseMs: number;
  /** A longer Retry-After is reduced to this time, in milliseconds. */
  maxRetryAfterMs: number;
}

interface EndpointState {
  running: number;
  pace: Pace;
  breaker: Breaker;
}

/**
 * Limit of endpoints, and of users, whose state is kept in memory. Above the limit, the least recently used state is
 * evicted.
 */
const maxKept = 10_000;
/** Limit of endpoints per user whose state is kept. */
const maxKeptPerUser = 500;
/**
 * This fraction of all permits, and of the permits of each origin, is reserved for endpoints without an attempt in
 * progress.
 */
const reserved = 0.25;

/**
 * Creates the object that decides which attempts of this process may start. Its state is in memory. So each process
 * learns by itself which endpoints are slow or fail, and forgets it at a restart.
 */
export function createAdmission({
  limits,
  log,
  now,
}: {
  limits: AdmissionLimits;
  log: Log;
  /** Returns the time in milliseconds. Default: `performance.now`. */
  now?: () => number;
}): Admission {
  const lines = createRepeatedLines(log);
  let running = 0;
  const runningPerUser = createCounts();
  const runningPerOrigin = createCounts();
  const endpoints = createKeptEntries<EndpointState>({
    max: maxKept,
    maxPerOwner: maxKeptPerUser,
    mayDelete: (state) => state.running === 0,
  });
  const users = createKeptEntries<Pace>({ max: maxKept, maxPerOwner: 1, mayDelete: () => true });
  const idlers = new Set<() => void>();

  const createUser = () =>
    createPace({ maxRunning: limits.perUser, maxPerSecond: limits.ratePerUser, isKnown: true, ...(now && { now }) });

  return {
    tryAdmit(endpoint) {
      const { id, userId, origin } = endpoint;
      const keptState = endpoints.use(id);
      const isFree = (inProgress: number, limit: number) =>
        limit - inProgress > (keptState && keptState.running > 0 ? limit * reserved : 0);
      if (!isFree(running, limits.concurrency) || !isFree(runningPerOrigin.of(origin), limits.perOrigin)) return null;
      const keptUser = userId === null ? undefined : users.use(userId);
      const user = userId === null ? null : (keptUser ?? createUser());
      if (user !== null && !user.allows(runningPerUser.of(userId))) return null;
      const state = keptState ?? createState(endpoint, { limits, lines, log, now });
      if (!state.breaker.allows(state.running) || !state.pace.allows(state.running)) return null;
      // The state of an endpoint is kept only after its first permit. So an endpoint without a permit evicts no other
      // endpoint.
      if (!keptState) endpoints.add(id, userId, state);
      if (user !== null && userId !== null && !keptUser) users.add(userId, null, user);
      running += 1;
      state.running += 1;
      state.pace.start();
      user?.start();
      runningPerUser.add(userId, 1);
      runningPerOrigin.add(origin, 1);
      return {
        release(result) {
          applySigns(state, result, limits.maxRetryAfterMs);
          running -= 1;
          state.running -= 1;
          runningPerUser.add(userId, -1);
          runningPerOrigin.add(origin, -1);
          if (result === null) {
            state.pace.takeBack();
            user?.takeBack();
          }
          if (running > 0) return;
          for (const resolve of idlers) resolve();
          idlers.clear();
        },
      };
    },
    forget: (endpointId) => endpoints.delete(endpointId),
    idle: () =>
      new Promise((resolve) => {
        if (running === 0) resolve();
        else idlers.add(resolve);
      }),
    report() {
      const all = [...endpoints.values()];
      return {
        running,
        endpoints: all.length,
        broken: all.filter(({ breaker }) => breaker.state !== 'closed').length,
        paused: all.filter(({ pace }) => pace.isPaused).length,
      };
    },
  };
}

function createState(
  { id: endpointId, userId }: Endpoint,
  {
    limits,
    lines,
    log,
    now,
  }: { limits: AdmissionLimits; lines: RepeatedLines; log: Log; now?: (() => number) | undefined },
): EndpointState {
  const isProvider = endpointId === smsEndpointId;
  return {
    running: 0,
    pace: createPace({
      maxRunning: limits.perEndpoint,
      maxPerSecond: limits.ratePerEndpoint,
      isKnown: isProvider,
      ...(now && { now }),
    }),
    breaker: createBreaker({
      // The SMS provider has no circuit breaker, because a failure may concern only one phone number.
      failures: isProvider ? Number.POSITIVE_INFINITY : limits.breakerFailures,
      pauseMs: limits.breakerPauseMs,
      maxPauseMs: limits.breakerMaxPauseMs,
      ...(now && { now }),
      onChange(state) {
        const fields = { endpointId, userId };
        if (state === 'open') lines.warn('open', fields, 'an endpoint fails: its deliveries wait, except for probes');
        else log.info(fields, 'an endpoint works again');
      },
    }),
  };
}

function applySigns({ running, pace, breaker }: EndpointState, result: SendResult | null, maxPauseMs: number): void {
  const { isBroken, isOverloaded, pauseMs } = readSigns(result);
  if (isBroken !== null) breaker.record(isBroken);
  if (isBroken === false) pace.succeed(running);
  if (isOverloaded) pace.slowDown();
  if (pauseMs > 0) pace.pauseFor(Math.min(pauseMs, maxPauseMs));
}

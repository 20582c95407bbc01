import { type Clock, systemClock } from '../async/clock.ts';
import { within } from '../async/deadline.ts';

/**
 * Checks an engine: a database, broker or key-value store. Rejects while the engine is down. Resolves with `degraded`
 * if the engine is read-only. Any other result means that the engine works.
 */
type Ping = () => Promise<unknown>;
type EngineState = 'ok' | 'degraded' | 'away';

export interface ReadinessOptions {
  /** Engines that the service needs, by name: it is ready only while all of them answer. */
  required?: Readonly<Record<string, Ping>>;
  /** Engines that the service can work without. Their states are reported, but have no effect on readiness. */
  reported?: Readonly<Record<string, Ping>>;
  clock?: Clock;
  /** Time-out of a required engine, in milliseconds. Default: 2,000. */
  timeoutMs?: number;
  /**
   * Time-out of a reported engine, in milliseconds. Default: 500, because many load balancers give up after a second.
   */
  reportedTimeoutMs?: number;
}

export interface ReadinessReport {
  status: 'ok' | 'unavailable' | 'stopping';
  /** State of each engine, by name. A degraded engine does not make the service unavailable. */
  engines: Record<string, EngineState>;
}

/** Whether load balancers should send requests to the service. */
export interface Readiness {
  /** True once the stop has begun. `/health/ready` then responds with 503, but requests are still served. */
  readonly isRetired: boolean;
  retire(): void;
  /** Pings each engine, at most once per second. Concurrent callers share the report. */
  read(): Promise<ReadinessReport>;
}

/** How long a report is reused, in milliseconds. */
const freshMs = 1_000;

export function createReadiness(options: ReadinessOptions = {}): Readiness {
  const { required = {}, reported = {}, clock = systemClock, timeoutMs = 2_000, reportedTimeoutMs = 500 } = options;
  const probes = Object.entries({ ...reported, ...required }).map(([name, ping]) => {
    const isRequired = name in required;
    return { name, isRequired, ask: createProbe(ping, isRequired ? timeoutMs : reportedTimeoutMs) };
  });
  let isRetired = false;
  let last: { atMs: number; answers: Promise<EngineState[]> } | null = null;
  return {
    get isRetired() {
      return isRetired;
    },
    retire() {
      isRetired = true;
    },
    async read() {
      const nowMs = clock.now();
      if (!last || nowMs - last.atMs >= freshMs || nowMs < last.atMs)
        last = { atMs: nowMs, answers: Promise.all(probes.map(({ ask }) => ask())) };
      const answers = await last.answers;
      const engines: ReadinessReport['engines'] = {};
      for (const [index, { name }] of probes.entries()) engines[name] = answers[index] ?? 'away';
      const canServe = probes.every(({ isRequired }, index) => !isRequired || answers[index] !== 'away');
      return { status: isRetired ? 'stopping' : canServe ? 'ok' : 'unavailable', engines };
    },
  };
}

/**
 * Creates the function that reads the state of one engine. Concurrent calls share one ping, so that a stuck engine has
 * only one open ping.
 */
function createProbe(ping: Ping, timeoutMs: number): () => Promise<EngineState> {
  let open: Promise<unknown> | null = null;
  return async () => {
    const question =
      open ??
      Promise.resolve()
        .then(ping)
        .finally(() => {
          open = null;
        });
    open = question;
    try {
      return (await within(timeoutMs, question)) === 'degraded' ? 'degraded' : 'ok';
    } catch {
      return 'away';
    }
  };
}

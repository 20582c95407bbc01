import { type Clock, systemClock } from './clock.ts';
import { within } from './within.ts';

/** Rejects where the engine is away; resolves with `degraded` where it answers and takes no changes, else with anything. */
type Ping = () => Promise<unknown>;
type EngineState = 'ok' | 'degraded' | 'away';

export interface ReadinessOptions {
  /** What the service can't serve without, by name: it is ready only while each of them answers. */
  required?: Readonly<Record<string, Ping>>;
  /** What it serves without: reported, and no reason to be left out by a load balancer. */
  reported?: Readonly<Record<string, Ping>>;
  clock?: Clock;
  /** A required engine that has not answered by then is away, in milliseconds. Default: 2,000. */
  timeoutMs?: number;
  /** The same for a reported one, which must not keep a probe waiting: many give up after a second. Default: 500. */
  reportedTimeoutMs?: number;
}

export interface ReadinessReport {
  status: 'ok' | 'unavailable' | 'stopping';
  /** By name, whether it answers. One that is degraded is no reason to serve nobody. */
  engines: Record<string, EngineState>;
}

/** Whether a service wants requests. */
export interface Readiness {
  /** It is about to stop, and wants no more of them. */
  readonly isRetired: boolean;
  retire(): void;
  /** Asks each engine, at most once a second: those who ask together share the answer. */
  read(): Promise<ReadinessReport>;
}

/** An answer is good for this long, in milliseconds. */
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

/** Asks once at a time: an engine that hangs has one question open, however often it is asked for. */
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

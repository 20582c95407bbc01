import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, isCodedError, outageOf } from './errors.ts';
import type { Log } from './log.ts';

/** What `run` stops. */
export interface Stoppable extends AsyncDisposable {
  /** Says that it is about to stop: readiness turns off and answers close their connections. It still serves. */
  retire?(): void;
  /** Between `retire` and disposal it serves on for this long, in milliseconds. Default: 0. */
  readonly shutdownDelayMs?: number;
  /** Time that its disposal may take, in milliseconds. Default: `defaultStopMs`. */
  readonly stopWithinMs?: number;
}

/** What every service's `createX(deps)` answers. */
export interface Service extends Omit<Stoppable, 'shutdownDelayMs'> {
  /** Where it listens, such as `http://127.0.0.1:8080`, with the port it really got. */
  readonly url: string;
}

/** A graceful stop may take this long unless its service says otherwise, in milliseconds. */
export const defaultStopMs = 10_000;

/**
 * Runs a service until SIGINT or SIGTERM, which stop it in stages: it retires, so that load balancers send no more;
 * it serves on for its shutdown delay; it is disposed, and the process exits 0, also where an engine that is away kept
 * something from ending well. A second signal, or a disposal that takes longer than it may, exits 1 at once. A rejection that nobody handles
 * ends the process at once, with 1, unless it stops already.
 *
 * A failed start prints its message, without a stack where the error is coded, and exits 1. A parent process that
 * opened an IPC channel gets the message `ready` once the service listens, as pm2's `wait_ready` expects.
 */
export async function run(start: () => Promise<Stoppable>, { log }: { log: Log }): Promise<void> {
  let service: Stoppable | undefined;
  let isStopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (!service || isStopping) process.exit(service ? 1 : 0);
    isStopping = true;
    log.info({ signal, shutdownDelayMs: service.shutdownDelayMs ?? 0 }, 'stopping');
    stop(service, log).then(
      () => process.exit(0),
      (error: unknown) => {
        const isOutage = errorsOf(error).every(outageOf);
        for (const each of errorsOf(error)) log[isOutage ? 'warn' : 'error']({ error: each }, 'stop failed');
        process.exit(isOutage ? 0 : 1);
      },
    );
  };
  // Node prints warnings for developers; here they are log lines. kafkajs's negative timers are nobody's to fix.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) =>
    log[name === 'TimeoutNegativeWarning' ? 'debug' : 'warn']({ warning: name }, message),
  );
  // Standard output on a full disk, or whose reader left, ends nothing.
  process.stdout.on('error', (error) => log.debug({ code: errorCode(error) }, 'standard output takes nothing'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('unhandledRejection', (error) => {
    log.error({ error, code: errorCode(error) }, 'unhandled rejection');
    // What stops anyway is not cut short: what runs is finished, and positions are committed.
    if (!isStopping) process.exit(1);
  });
  try {
    service = await start();
    // The callback takes the error of a parent that has left.
    process.send?.('ready', undefined, undefined, () => {});
  } catch (error) {
    if (isCodedError(error)) process.stderr.write(`\n${error.message}\n`);
    else log.error({ error }, 'start failed');
    process.exit(1);
  }
}

async function stop(service: Stoppable, log: Log): Promise<void> {
  const { shutdownDelayMs = 0, stopWithinMs = defaultStopMs } = service;
  service.retire?.();
  await sleep(shutdownDelayMs);
  setTimeout(() => {
    log.error({ stopWithinMs }, 'stop took longer than its deadline: forced');
    process.exit(1);
  }, stopWithinMs).unref();
  await service[Symbol.asyncDispose]();
}

/** What a disposal failed by: one error, or several that suppress each other. */
function errorsOf(error: unknown): unknown[] {
  return error instanceof SuppressedError ? [...errorsOf(error.error), ...errorsOf(error.suppressed)] : [error];
}

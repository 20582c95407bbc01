import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, isCodedError, outageOf } from '../errors.ts';
import type { Log } from './log.ts';

/** A service that `run` can stop. */
export interface Stoppable extends AsyncDisposable {
  /** Announces the stop: readiness turns off and responses close their connections. The service continues to serve. */
  retire?(): void;
  /** How long the service continues to serve between `retire` and disposal, in milliseconds. Default: 0. */
  readonly shutdownDelayMs?: number;
  /** Time limit of the service's disposal, in milliseconds. Default: `defaultStopMs`. */
  readonly stopWithinMs?: number;
}

/** The result of every service's `createX(deps)`. */
export interface Service extends Omit<Stoppable, 'shutdownDelayMs'> {
  /** The service's URL, such as `http://127.0.0.1:8080`, with the actual port. */
  readonly url: string;
}

/** Default time limit of a graceful stop, in milliseconds. */
export const defaultStopMs = 10_000;

/**
 * Runs a service until SIGINT or SIGTERM, which stop it in stages. First it retires, so that load balancers drain it,
 * and continues to serve for its shutdown delay. It is then disposed, and the process exits.
 *
 * The exit code is 0, also if an outage (of the database, for example) disturbed the stop. The process exits with 1
 * immediately after a second signal, a disposal over its time limit, or an unhandled rejection before the stop.
 *
 * After a failed start, the process exits with 1. It prints the message of a CodedError, and logs any other error. A
 * parent process with an IPC channel gets the message `ready` once the service listens, as pm2's `wait_ready` expects.
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
  // Node prints warnings as text. Here they become log lines. Warnings about kafkajs's negative timers are logged at
  // `debug`, because we can't fix the cause.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) =>
    log[name === 'TimeoutNegativeWarning' ? 'debug' : 'warn']({ warning: name }, message),
  );
  // A full disk or a closed reader of standard output must not end the process.
  process.stdout.on('error', (error) => log.debug({ code: errorCode(error) }, 'standard output can not be written'));
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('unhandledRejection', (error) => {
    log.error({ error, code: errorCode(error) }, 'unhandled rejection');
    // During a stop an unhandled rejection does not end the process, so that running work finishes and positions are
    // committed.
    if (!isStopping) process.exit(1);
  });
  try {
    service = await start();
    // If the parent has exited, the message can not be sent. Without a callback, Node would then emit an `error` event.
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

/** Lists the errors of a disposal: one, or several nested in SuppressedErrors. */
function errorsOf(error: unknown): unknown[] {
  return error instanceof SuppressedError ? [...errorsOf(error.error), ...errorsOf(error.suppressed)] : [error];
}

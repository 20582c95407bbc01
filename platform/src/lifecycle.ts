import { errorCode, isCodedError } from './errors.ts';
import type { Log } from './log.ts';

/** What every service's `createX(deps)` answers. */
export interface Service extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`, with the port it really got. */
  readonly url: string;
  /** Says that it is about to stop: readiness turns off and answers close their connections. It still serves. */
  retire?(): void;
  /** Time that its graceful stop may take, in milliseconds. Default: that of `run`. */
  readonly stopWithinMs?: number;
}

export interface RunOptions {
  log: Log;
  /** Time that a graceful stop may take before it is forced. Default: 10 s. */
  deadlineMs?: number;
}

/**
 * Runs a service until SIGINT or SIGTERM: graceful stop to a deadline, a second signal forces.
 * A failed start prints its message, without a stack where the error is coded, and exits 1.
 */
export async function run(
  start: () => Promise<AsyncDisposable & Pick<Service, 'stopWithinMs'>>,
  { log, deadlineMs = 10_000 }: RunOptions,
): Promise<void> {
  let stopping: Promise<void> | undefined;
  let service: (AsyncDisposable & Pick<Service, 'stopWithinMs'>) | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping || !service) process.exit(stopping ? 1 : 0);
    log.info({ signal }, 'stopping');
    const withinMs = service.stopWithinMs ?? deadlineMs;
    const timer = setTimeout(() => {
      log.error({ deadlineMs: withinMs }, 'stop took longer than its deadline: forced');
      process.exit(1);
    }, withinMs);
    timer.unref();
    stopping = Promise.resolve(service[Symbol.asyncDispose]()).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error }, 'stop failed');
        process.exit(1);
      },
    );
  };
  // Node prints warnings for developers; here they are log lines. kafkajs's negative timers are nobody's to mend.
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) =>
    log[name === 'TimeoutNegativeWarning' ? 'debug' : 'warn']({ warning: name }, message),
  );
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('unhandledRejection', (error) => {
    log.error({ error, code: errorCode(error) }, 'unhandled rejection');
    process.exit(1);
  });
  try {
    service = await start();
  } catch (error) {
    if (isCodedError(error)) process.stderr.write(`\n${error.message}\n`);
    else log.error({ error }, 'start failed');
    process.exit(1);
  }
}

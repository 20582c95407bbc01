import { CodedError } from '../../errors.ts';
import { listen } from '../../http/listen.ts';
import { createReadiness } from '../../http/readiness.ts';
import { createHttpServer } from '../../http/server.ts';
import { run } from '../../process/lifecycle.ts';
import { createLog } from '../../process/log.ts';

// A small service, which lifecycle.test.ts starts as a process.
const { SHUTDOWN_DELAY_MS = '0', STOP_WITHIN_MS = '10000', HANGS, REJECTS, STOP_FAILS_BY = '' } = process.env;
const log = createLog({ level: 'info', service: 'small' });
await run(
  async () => {
    const readiness = createReadiness();
    const app = createHttpServer({ log, readiness });
    app.get('/', () => 'served');
    process.stdout.write(`${await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' })}\n`);
    return {
      retire() {
        readiness.retire();
        process.stdout.write('retired\n');
      },
      shutdownDelayMs: Number(SHUTDOWN_DELAY_MS),
      stopWithinMs: Number(STOP_WITHIN_MS),
      async [Symbol.asyncDispose]() {
        process.stdout.write('stopping\n');
        if (REJECTS) void Promise.reject(new Error('nobody handles it'));
        // Waits, because Node reports an unhandled rejection only after the current microtasks.
        await new Promise(setImmediate);
        if (HANGS) await new Promise(() => {});
        await app.close();
        process.stdout.write('closed\n');
        await using releases = new AsyncDisposableStack();
        for (const code of STOP_FAILS_BY.split(',').filter(Boolean))
          releases.defer(() => Promise.reject(new CodedError(code, 'It failed.', { retryable: code !== 'BROKEN' })));
      },
    };
  },
  { log },
);

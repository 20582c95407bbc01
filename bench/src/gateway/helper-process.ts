import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { pinnedCore } from '../processes/measured-process.ts';

/**
 * A process of the benchmark itself. If the machine has several cores, it does not run on the core of the measured
 * gateway.
 */
export interface HelperProcess extends AsyncDisposable {
  /** The first message that the process sends. */
  readonly started: unknown;
  /** Sends a message, and resolves to the answer. */
  ask(message: object): Promise<unknown>;
}

export async function startHelper(file: string): Promise<HelperProcess> {
  const entry = fileURLToPath(new URL(file, import.meta.url));
  const core = pinnedCore();
  const others = core === null || cpus().length < 2 ? [] : ['taskset', '-c', String((core + 1) % cpus().length)];
  const [command, ...args] = [...others, process.execPath, entry];
  const child: ChildProcess = spawn(command as string, args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const forget = () => void child.kill('SIGKILL');
  process.once('exit', forget);
  let answered = Promise.withResolvers<unknown>();
  child.on('message', (message) => answered.resolve(message));
  child.on('exit', () => answered.reject(new Error(`${file} has ended`)));
  child.on('error', (error) => answered.reject(error));
  const next = () => {
    answered = Promise.withResolvers();
    return answered.promise;
  };
  const started = await next();
  return {
    started,
    ask(message) {
      const answer = next();
      child.send(message);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', forget);
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

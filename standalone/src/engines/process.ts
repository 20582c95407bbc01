import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '@voucher-gateway/platform/errors';

/** The standard port, or any free one where that is taken. */
export async function freePort(preferred: number): Promise<number> {
  const [port] = await freePorts([preferred]);
  return port as number;
}

/** The same for several: no two are the same. */
export async function freePorts(preferred: readonly number[]): Promise<number[]> {
  await using held = new AsyncDisposableStack();
  const found: number[] = [];
  for (const port of preferred) {
    // Taken: any other will do.
    const server = (await listen(port)) ?? (await listen(0));
    if (!server) throw new Error('there is no free port');
    held.use(server);
    found.push((server.address() as AddressInfo).port);
  }
  return found;
}

async function listen(port: number): Promise<Server | null> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return server;
  } catch {
    return null;
  }
}

const startWithinMs = 60_000;
const attemptWithinMs = 1_500;

/** An engine's process. Disposing stops it by a signal, and by force when that takes too long. */
export interface EngineProcess extends AsyncDisposable {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}

/** Starts an engine; its output goes to a file. Rejects when it ends before `ready` resolves, with the end of that. */
export async function startEngine({
  name,
  command,
  args,
  logFile,
  ready,
  stopSignal = 'SIGTERM',
  ...options
}: {
  name: string;
  command: string;
  args: string[];
  logFile: string;
  /** Resolves when the engine answers; tried again and again. */
  ready(): Promise<unknown>;
  stopSignal?: NodeJS.Signals;
} & Pick<SpawnOptions, 'uid' | 'gid' | 'cwd' | 'env'>): Promise<EngineProcess> {
  const log = openSync(logFile, 'a');
  // A group of its own: Ctrl-C in the terminal is for us, who stop it in order.
  const child = spawn(command, args, { ...options, stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const ended = once(child, 'exit').then(() => 'ended' as const);
  child.on('error', () => {});
  const stop = () => stopProcess(child, stopSignal);
  const forget = () => void child.kill('SIGKILL');
  process.once('exit', forget);
  try {
    const deadline = Date.now() + startWithinMs;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${name} ended: ${readFileSync(logFile, 'utf8').slice(-2_000)}`);
      // An attempt may hang where the engine takes the connection before it can answer.
      const isReady = await Promise.race([
        ready().then(
          () => true,
          () => false,
        ),
        ended.then(() => false),
        sleep(attemptWithinMs, false, { ref: false }),
      ]);
      if (isReady) break;
      if (Date.now() > deadline) throw new Error(`${name} does not answer; see ${logFile}`);
      await sleep(100);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      process.off('exit', forget);
      await stop();
    },
  };
}

/** Stops a process: a signal, and SIGKILL after a while. Default: 10 s. */
export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals, withinMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
  await ended;
  clearTimeout(timer);
}

/** Whether a command is on PATH. */
export function isOnPath(command: string): boolean {
  return spawnSync('which', [command], { stdio: 'ignore' }).status === 0;
}

/** What is missing, with the command that installs it. */
export class EngineMissing extends CodedError {
  constructor(what: string, install: string) {
    super('ENGINE_MISSING', `${what} is missing: ${install}`);
  }
}

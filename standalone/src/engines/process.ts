import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { identifyProcess, readOwnerState } from '@voucher-gateway/platform/database/embedded/lock-owner';
import { CodedError } from '@voucher-gateway/platform/errors';

/**
 * The range in which free ports are searched. It is below the ports of outgoing connections, which could take a port
 * before the new process listens on it.
 */
const firstFreePort = 20_000;
const lastFreePort = 29_999;
const maxTries = 100;

/** Returns the preferred port. If that port is 0 or in use, returns a free port. */
export async function freePort(preferred: number): Promise<number> {
  const [port] = await freePorts([preferred]);
  return port as number;
}

/** Like `freePort`, for several distinct ports. */
export async function freePorts(preferred: readonly number[]): Promise<number[]> {
  await using held = new AsyncDisposableStack();
  const found: number[] = [];
  for (const port of preferred) {
    const server = (port === 0 ? null : await listen(port)) ?? (await listenOnAny());
    held.use(server);
    found.push((server.address() as AddressInfo).port);
  }
  return found;
}

async function listenOnAny(): Promise<Server> {
  for (let time = 0; time < maxTries; time += 1) {
    const server = await listen(randomInt(firstFreePort, lastFreePort + 1));
    if (server) return server;
  }
  throw new Error('there is no free port');
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

/** The process of an engine. Disposing stops the process with a signal, and kills it after a time-out. */
export interface EngineProcess extends AsyncDisposable {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts an engine with its output in a file. Rejects with the end of the output if the engine exits before `ready`
 * resolves.
 */
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
  /** Resolves when the engine responds. Called again after a failure. */
  ready(): Promise<unknown>;
  stopSignal?: NodeJS.Signals;
} & Pick<SpawnOptions, 'uid' | 'gid' | 'cwd' | 'env'>): Promise<EngineProcess> {
  await assertEngineStopped(name, logFile);
  const log = openSync(logFile, 'a');
  // The engine has a separate process group, so that Ctrl-C in the terminal reaches only this process, which stops the
  // engines in order.
  const child = spawn(command, args, { ...options, stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  const ended = once(child, 'exit').then(() => 'ended' as const);
  child.on('error', () => {});
  if (child.pid !== undefined) {
    const { pid, started } = await identifyProcess(child.pid);
    writeFileSync(pidFileOf(logFile), `${pid} ${started}`);
  }
  const stop = () => stopProcess(child, stopSignal);
  const forget = () => void child.kill('SIGKILL');
  process.once('exit', forget);
  try {
    const deadline = Date.now() + startWithinMs;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`${name} ended: ${readFileSync(logFile, 'utf8').slice(-2_000)}`);
      // Each check has a time-out. A starting engine may accept the connection but not respond, and then the check
      // would hang.
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

const pidFileOf = (logFile: string) => `${logFile}.pid`;
const endsWithinMs = 10_000;

/**
 * Checks that no engine process of an earlier start still runs. Such a process is left if only its parent process was
 * killed. Two processes of an engine on one folder destroy its data, and Kafka and Redis do not check this.
 *
 * @throws CodedError DATA_DIR_LOCKED, naming the process
 */
export async function assertEngineStopped(name: string, logFile: string): Promise<void> {
  if (!existsSync(pidFileOf(logFile))) return;
  const [pid, started = ''] = readFileSync(pidFileOf(logFile), 'utf8').split(' ');
  const deadline = Date.now() + endsWithinMs;
  for (;;) {
    const state = await readOwnerState({ pid: Number(pid), started });
    if (state === 'dead') return;
    if (state === 'alive' || Date.now() > deadline)
      throw new CodedError(
        'DATA_DIR_LOCKED',
        `${name} already runs on this folder, as process ${pid} (${logFile}). Use it, or stop it first.`,
      );
    await sleep(50);
  }
}

/** Stops a process with a signal, and with SIGKILL after a time-out. Default: 10 s. */
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

/** The error of a missing engine, with the command that installs it. */
export class EngineMissing extends CodedError {
  constructor(what: string, install: string) {
    super('ENGINE_MISSING', `${what} is missing: ${install}`);
  }
}

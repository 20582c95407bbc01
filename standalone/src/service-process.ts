import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '@voucher-gateway/platform/process/config';
import { stopProcess } from './engines/process.ts';
import { nodeOptions } from './node-options.ts';

/** The process of a service. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number | undefined;
  /** How the process exited; nulls while it runs. */
  readonly exit: { code: number | null; signal: NodeJS.Signals | null };
  /** Sends a signal to the process. Resolves when the process has exited. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Restarts the service on its port after its process has exited. Resolves when the service is ready. */
  start(): Promise<void>;
}

export interface ServiceProcessesOptions {
  /** Folder of the installation. */
  installation: string;
  environment: Environment;
  /** Receives the output of the services. */
  log: Writable;
  /** Whether output of services is also logged while they stop. */
  logsStop: boolean;
  onReady(name: string, url: string): void;
}

/** The processes of one installation. Disposing kills those that still run. */
export interface ServiceProcesses extends Disposable {
  /** @param entryFile relative to the installation */
  create(service: { name: string; url: string; entryFile: string }): ServiceProcess;
  /** Sends SIGTERM to all, and SIGKILL after `withinMs`. Resolves when all have exited. */
  stopAll(withinMs: number): Promise<void>;
  /** Called when the stop begins. After this call, the end of a process is no failure. */
  noteStopping(): void;
}

const readyWithinMs = 60_000;

export function createServiceProcesses(options: ServiceProcessesOptions): ServiceProcesses {
  const { installation, environment, log, logsStop, onReady } = options;
  const children = new Set<ChildProcess>();
  let isStopping = false;

  /** Runs node directly: npm would neither forward signals nor wait for the process. */
  const run = (entryFile: string, port: string) => {
    const child = spawn(process.execPath, [...nodeOptions, entryFile], {
      cwd: installation,
      env: { ...process.env, ...environment, PORT: port },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    children.add(child);
    return child;
  };
  const killAll = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', killAll);

  return {
    create({ name, url, entryFile }) {
      let child: ChildProcess | undefined;
      /** The child to which a signal was sent, so that its end is not taken for a crash. */
      let killed: ChildProcess | undefined;
      const exit = () => ({ code: child?.exitCode ?? null, signal: child?.signalCode ?? null });
      const hasEnded = () => exit().code !== null || exit().signal !== null;
      return {
        url,
        get pid() {
          return child?.pid;
        },
        get exit() {
          return exit();
        },
        async kill(signal) {
          if (!child || hasEnded()) return;
          const ended = once(child, 'exit');
          killed = child;
          child.kill(signal);
          await ended;
        },
        async start() {
          if (child) children.delete(child);
          const starting = run(entryFile, new URL(url).port);
          child = starting;
          // A service sends a message once it listens. The readiness check is not enough, because another process may
          // have taken the port and respond.
          let listens = false;
          starting.once('message', () => {
            listens = true;
          });
          starting.once('exit', (code, signal) => {
            if (listens && !isStopping && killed !== starting)
              log.write(`${name} ended by itself: ${signal ?? `exit code ${code}`}\n`);
          });
          let output = '';
          for (const stream of [starting.stdout, starting.stderr])
            stream?.on('data', (chunk: Buffer) => {
              output = (output + chunk).slice(-4_000);
              if (!isStopping || logsStop) log.write(chunk);
            });
          const deadline = Date.now() + readyWithinMs;
          while (!listens || !(await isReady(url))) {
            if (hasEnded()) throw new Error(`${name} ended:\n${output}`);
            if (Date.now() > deadline)
              throw new Error(`${name} is not ready after ${readyWithinMs / 1_000} s:\n${output}`);
            await sleep(50);
          }
          onReady(name, url);
        },
      };
    },
    noteStopping() {
      isStopping = true;
    },
    async stopAll(withinMs) {
      await Promise.all([...children].map((child) => stopProcess(child, 'SIGTERM', withinMs)));
    },
    [Symbol.dispose]() {
      process.off('exit', killAll);
      killAll();
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOnPath, stopProcess } from '@voucher-gateway/standalone/engines/process';

const startWithinMs = 30_000;

/**
 * A server in a separate process, with its resource usage. After the process has exited, the functions that read
 * resource usage throw.
 */
export interface MeasuredProcess extends AsyncDisposable {
  /** The server's URL, such as `http://127.0.0.1:4000`. */
  readonly url: string;
  readonly pid: number | undefined;
  rssBytes(): number;
  /** User and system CPU time since the start of the process, in milliseconds, with a resolution of 10 ms. */
  cpuMs(): number;
  /** Number of open files of the process, most of which are sockets. */
  openFiles(): number;
  /** Sends a message to the process over the IPC channel. Resolves once the message is written. */
  send(message: object): Promise<void>;
}

export interface MeasuredProcessOptions {
  name: string;
  /** Arguments of Node: options and the entry file. */
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  port: number;
  /** Path that responds with 2xx once the server is ready. */
  readyPath: string;
  /** If true, the process is pinned to one core. Without taskset this has no effect; see {@link pinnedCore}. */
  pinned: boolean;
  /** Whether the process receives messages. */
  takesMessages?: boolean;
  /** Called with each line of the process's log. Default: lines are printed on standard error. */
  onLog?: ((line: string) => void) | undefined;
}

/** Starts a server. Resolves once it is ready. */
export async function startMeasured(options: MeasuredProcessOptions): Promise<MeasuredProcess> {
  const { name, args, environment, port, readyPath, pinned, takesMessages = false, onLog } = options;
  const core = pinned ? pinnedCore() : null;
  // taskset replaces itself with Node, so that `child.pid` is Node's process id.
  const [command, ...rest] = [...(core === null ? [] : ['taskset', '-c', String(core)]), process.execPath, ...args];
  const child = spawn(command as string, rest, {
    env: { ...process.env, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', onLog ? 'pipe' : 'inherit', takesMessages ? 'ipc' : 'ignore'],
  });
  if (onLog && child.stderr) createInterface(child.stderr).on('line', onLog);
  const forget = () => void child.kill('SIGKILL');
  process.once('exit', forget);
  const stop = async () => {
    process.off('exit', forget);
    await stopProcess(child, 'SIGTERM');
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await serves(child, `${url}${readyPath}`, name);
  } catch (error) {
    await stop();
    throw error;
  }
  const proc = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8');
  return {
    url,
    pid: child.pid,
    rssBytes: () => Number(/VmRSS:\s+(\d+)/.exec(proc('status'))?.[1]) * 1_024,
    cpuMs() {
      const fields = proc('stat').split(') ')[1]?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) * 10;
    },
    openFiles: () => readdirSync(`/proc/${child.pid}/fd`).length,
    send: (message) =>
      new Promise((resolve, reject) => child.send(message, (error) => (error ? reject(error) : resolve()))),
    [Symbol.asyncDispose]: stop,
  };
}

/** The core to which measured processes are pinned: the first core that this process may use. Null without taskset. */
export function pinnedCore(): number | null {
  const allowed = /Cpus_allowed_list:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return allowed !== undefined && isOnPath('taskset') ? Number(allowed) : null;
}

async function serves(child: ChildProcess, url: string, name: string): Promise<void> {
  const deadline = performance.now() + startWithinMs;
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} did not start`);
    if (performance.now() > deadline) throw new Error(`${name} does not respond`);
    await sleep(50);
  }
}

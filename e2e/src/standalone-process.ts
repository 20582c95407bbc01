import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@voucher-gateway/standalone/engines/process';
import { nodeOptions } from '@voucher-gateway/standalone/node-options';
import type { System } from './system.ts';

const thisInstallation = fileURLToPath(new URL('../..', import.meta.url));
const demo = fileURLToPath(new URL('../../standalone/src/demo.ts', import.meta.url));

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** `npm start` in a separate process. */
export interface StandaloneProcess extends System {
  readonly pid: number;
  /** Sends a signal. Resolves when the process has exited. */
  stop(signal: NodeJS.Signals): Promise<Exit>;
  readonly exit: Promise<Exit>;
  /** The process's output so far. */
  printed(): string;
}

/** Folder, ports and settings of an installation. */
export interface StandaloneSetup extends AsyncDisposable {
  readonly dataDir: string;
  /** The settings, which are the same at each start. */
  readonly environment: Record<string, string>;
}

/** Creates a setup with a new folder and free ports. */
export async function createSetup(): Promise<StandaloneSetup> {
  const dataDir = await mkdtemp(join(tmpdir(), 'voucher-gateway-'));
  const [gateway, vps, integration] = await freePorts([0, 0, 0]);
  return {
    dataDir,
    environment: {
      DATA_DIR: dataDir,
      GATEWAY_PORT: String(gateway),
      VPS_PORT: String(vps),
      INTEGRATION_PORT: String(integration),
    },
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true, force: true }),
  };
}

/**
 * Starts `npm start`. Resolves when the command has printed that it is ready. If the command exits before that, rejects
 * with its output. `installation` is the folder of the installation to start.
 */
export async function startStandalone(
  environment: Record<string, string>,
  installation = thisInstallation,
): Promise<StandaloneProcess> {
  const started = runStandalone(environment, installation);
  await Promise.race([
    started.printed('Ready in'),
    started.exit.then(({ stdout, stderr }) => Promise.reject(new Error(`it ended:\n${stdout}\n${stderr}`))),
  ]);
  const url = (port: string | undefined) => `http://127.0.0.1:${port}`;
  const stop = async (signal: NodeJS.Signals) => {
    started.child.kill(signal);
    return started.exit;
  };
  return {
    pid: started.child.pid ?? 0,
    gatewayUrl: url(environment.GATEWAY_PORT),
    vpsUrl: url(environment.VPS_PORT),
    integrationUrl: url(environment.INTEGRATION_PORT),
    exit: started.exit,
    printed: started.output,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL');
    },
  };
}

/** Starts `npm start` without waiting for it. */
export function runStandalone(environment: Record<string, string>, installation = thisInstallation) {
  const main = join(installation, 'standalone/src/main.ts');
  return spawnFollowed(main, environment, installation);
}

/** Runs `npm run demo`. */
export function runDemo(environment: Record<string, string>) {
  return spawnFollowed(demo, environment);
}

/** Runs `npm run dev` in an installation. */
export function runDev(environment: Record<string, string>, installation: string) {
  return spawnFollowed(join(installation, 'scripts/dev.ts'), environment);
}

/**
 * Returns the environment for a process of the product. The process uses the same compile cache of Node as other tests.
 */
export function cleanEnvironment(environment: Record<string, string | undefined>) {
  const { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE } = process.env;
  return { PATH, HOME, TMPDIR, NODE_COMPILE_CACHE, ...environment };
}

/** Ends a process when its IPC channel closes, so that a killed test run leaves no processes. */
const endWithParent = `data:text/javascript,process.once('disconnect',()=>process.exit(1));process.channel?.unref()`;

/**
 * `--liftoff-only` turns off V8's optimization of WebAssembly. The embedded PostgreSQL is WebAssembly. The optimization
 * takes a fifth of the start. In a process that lives for seconds it does not pay off.
 */
export const optionsOfShortLived: readonly string[] = ['--liftoff-only'];

function spawnFollowed(main: string, environment: Record<string, string>, cwd?: string) {
  const options: SpawnOptions = { cwd, env: cleanEnvironment(environment), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] };
  return follow(
    spawn(process.execPath, [...nodeOptions, ...optionsOfShortLived, '--import', endWithParent, main], options),
  );
}

function follow(child: ChildProcess) {
  let stdout = '';
  let stderr = '';
  const waiting = new Set<{ text: string; times: number; resolve: () => void }>();
  const isPrinted = (text: string, times: number) => stdout.split(text).length > times;
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
    for (const { text, times, resolve } of waiting) if (isPrinted(text, times)) resolve();
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit: Promise<Exit> = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
  return {
    child,
    exit,
    output: () => stdout,
    /** Resolves once standard output contains the text at least `times` times. */
    printed: (text: string, times = 1) =>
      new Promise<void>((resolve) => {
        if (isPrinted(text, times)) return resolve();
        waiting.add({ text, times, resolve });
      }),
  };
}

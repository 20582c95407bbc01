import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of this run's production install, which is built with the commands of the Dockerfile. */
    installation: string;
  }
}

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Installs for production into an empty folder: copies the tracked files and runs the build steps of the Dockerfile. */
export default async function setup(project: TestProject) {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-installed-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  // Missing files are skipped, because Git lists a deleted file until the deletion is committed.
  for (const file of stdout.split('\0').filter(Boolean))
    await cp(join(root, file), join(folder, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  for (const step of buildSteps(await readFile(join(folder, 'Dockerfile'), 'utf8')))
    await run('sh', ['-c', step], { cwd: folder, env: npmEnvironment() });
  project.provide('installation', folder);
  const owned = releases.move();
  return () => owned.disposeAsync();
}

/** Returns the RUN commands of the Dockerfile's stage `build`. */
function buildSteps(dockerfile: string): string[] {
  const [, stage = ''] = /^FROM \S+ AS build$([\s\S]*?)^FROM /m.exec(dockerfile) ?? [];
  const steps = [...stage.matchAll(/^RUN (.+)$/gm)].map(([, command = '']) => command);
  if (steps.length === 0) throw new Error('the Dockerfile has no build steps');
  return steps;
}

/**
 * Returns the environment for npm. PATH starts with the folder of this process's Node. npm takes packages from its
 * cache if they are there. Variables that the npm of this test run has set are removed.
 */
function npmEnvironment(): NodeJS.ProcessEnv {
  const { NODE_ENV, ...inherited } = process.env;
  const isOfThisRun = (name: string) => /^npm_(command|lifecycle_|package_|config_(local_)?prefix)/.test(name);
  const kept = Object.entries(inherited).filter(([name]) => !isOfThisRun(name));
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  return { ...Object.fromEntries(kept), PATH: path, npm_config_prefer_offline: 'true' };
}

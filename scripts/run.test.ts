import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodeOptions } from '../standalone/src/node-options.ts';

const launcher = fileURLToPath(new URL('run.js', import.meta.url));
const pretend = (code: string) => ['--import', `data:text/javascript,${encodeURIComponent(code)}`];

/** Starts a script with the launcher. `options` are passed to the launcher, as options of Node. */
function launch(script: string, options: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const args = [...options, launcher, '--eval', script, 'one', 'two'];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
}

it('launcher: becomes the entry file, with the options of Node', async () => {
  const script = 'console.log(JSON.stringify([process.pid, process.execArgv, process.argv.slice(1)]))';
  const child = launch(script, ['--no-deprecation']);
  const [pid, options, args] = JSON.parse(await text(child.stdout));
  expect(pid).toBe(child.pid);
  expect(options).toEqual([...nodeOptions, '--no-deprecation', '--eval', script]);
  expect(args).toEqual(['one', 'two']);
});

describe.each([
  ['by replacing its process', []],
  ['by a child process', pretend('process.execve = undefined')],
])('launcher: %s', (_how, options) => {
  it('passes SIGTERM on, and the exit code back', async () => {
    const child = launch(
      `setInterval(() => {}, 1_000); process.once('SIGTERM', () => process.exit(7)); console.log('ready')`,
      options,
    );
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([7, null]);
  });
});

it.each([
  ['keeps compiled code', 'NODE_COMPILE_CACHE', undefined, /node_modules\/\.cache\/compiled$/],
  ['keeps it where the environment says', 'NODE_COMPILE_CACHE', '/elsewhere', /^\/elsewhere$/],
  ['limits the arenas of malloc', 'MALLOC_ARENA_MAX', undefined, /^2$/],
  ['limits them as the environment says', 'MALLOC_ARENA_MAX', '4', /^4$/],
])('launcher: %s', async (_what, name, value, expected) => {
  const child = launch(`console.log(process.env.${name})`, [], { [name]: value });
  expect((await text(child.stdout)).trim()).toMatch(expected);
});

it('launcher: says what to do on a Node that is too old', async () => {
  const old = pretend(`Object.defineProperty(process, 'versions', { value: { node: '20.19.0' } })`);
  const child = launch('console.log("started")', old);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  expect(stderr).toContain('This needs Node 24 or newer');
  expect(stdout).toBe('');
  expect(code).toBe(1);
});

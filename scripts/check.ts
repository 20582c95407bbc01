import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/**
 * `npm run check` runs all checks that do not run the product, concurrently. The output of a check is printed when the check
 * has ended.
 */
const steps: [name: string, command: string, ...args: string[]][] = [
  ['types', 'tsc', '-p', '.'],
  ['types of the page', 'tsc', '-p', 'web'],
  ['lint and format', 'biome', 'check', '--error-on-warnings'],
  ['imports', 'node', 'e2e/src/import-law-main.ts'],
  ['supergraph is not stale', 'node', 'schema/src/compose-main.ts', '--check'],
  ["types of the page's operations are not stale", 'node', 'web/codegen.ts', '--check'],
];

const cwd = fileURLToPath(new URL('..', import.meta.url));
// The tools write to pipes, and by default they write no colours to pipes. If this process runs on a terminal, colours
// are therefore forced.
const env = { ...process.env, ...(process.stdout.isTTY && { FORCE_COLOR: '1' }) };

/** Runs a step, and returns its exit code and its output. */
async function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd, env });
  const exit = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
  const printed = Promise.all([text(child.stdout), text(child.stderr)]);
  try {
    return { code: await exit, output: (await printed).join('') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { code: 1, output: `${command} is not installed: run npm ci.\n` };
  }
}

const results = await Promise.all(
  steps.map(async ([name, command, ...args]) => {
    const { code, output } = await run(command, args);
    process.stdout.write(`check: ${name}${code === 0 ? '' : ' failed'}\n${output}`);
    return code;
  }),
);
process.exitCode = results.every((code) => code === 0) ? 0 : 1;

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** `npm run check`: everything that tells without running the product. Each step's output stands under its name. */
const steps: [name: string, command: string, ...args: string[]][] = [
  ['types', 'tsc', '-p', '.'],
  ['lint, format and import arrows', 'biome', 'check', '--error-on-warnings'],
  ['dependencies', 'knip', '--treat-config-hints-as-errors'],
  ['dependencies of production', 'knip', '--production', '--strict', '--treat-config-hints-as-errors'],
  ['supergraph is not stale', 'node', 'schema/src/compose-main.ts', '--check'],
];

function run(command: string, args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', cwd: fileURLToPath(new URL('..', import.meta.url)) });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') return reject(error);
      process.stdout.write(`${command} is not installed: run npm ci.\n`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

let failed = 0;
for (const [name, command, ...args] of steps) {
  process.stdout.write(`check: ${name}\n`);
  if ((await run(command, args)) !== 0) {
    failed += 1;
    process.stdout.write(`check: ${name} failed\n`);
  }
}
process.exit(failed ? 1 : 0);

// `node scripts/run.js [options of Node] <entry file> [arguments]` runs an entry file with the options of Node that the
// product needs. The service replaces this process. So signals reach the service, and the caller gets the exit code of
// the service. The script is plain JavaScript, so that an old Node can run it and print what to do.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import './require-node.js';

const { nodeOptions } = await import('../standalone/src/node-options.ts');
const args = [...nodeOptions, ...process.execArgv, ...process.argv.slice(2)];
// Compiled code is cached for the next start, which then takes less time and memory. If the folder can't be written,
// nothing is cached.
const compileCache = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));
// With two memory arenas, glibc keeps 10 to 24 MiB less per process (docs/reliability.md).
const env = { NODE_COMPILE_CACHE: compileCache, MALLOC_ARENA_MAX: '2', ...process.env };
if (process.execve) process.execve(process.execPath, [process.execPath, ...args], env);

// On Windows a process can't be replaced, so that the service runs as a child.
const child = spawn(process.execPath, args, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));

// node scripts/run.js [options of Node] <entry file> [arguments]: runs an entry file with the options of Node that the
// product needs. It replaces its own process, so signals reach the service and the exit code is the service's. Plain
// JavaScript, because it must say what to do where the Node found is too old.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import './require-node.js';

const { nodeOptions } = await import('../standalone/src/node-options.ts');
const args = [...nodeOptions, ...process.execArgv, ...process.argv.slice(2)];
// Code without its types is kept for the next start, which then takes less time and memory. A folder that can't be written
// is ignored.
const compileCache = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));
const env = { NODE_COMPILE_CACHE: compileCache, ...process.env };
if (process.execve) process.execve(process.execPath, [process.execPath, ...args], env);

// Windows can't replace a process: the service is then a child.
const child = spawn(process.execPath, args, { stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.once('exit', (code) => process.exit(code ?? 1));

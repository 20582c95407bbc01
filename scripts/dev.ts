import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pretty from 'pino-pretty';
import { nodeOptions } from '../standalone/src/node-options.ts';

// `npm run dev` is like `npm start`, but restarts when a file changes. The log is formatted as readable text.
const folders = ['gateway/src', 'platform', 'schema', 'standalone/src', 'subgraphs', 'voucher-integration', 'vps-mock'];

const watcher = spawn(
  process.execPath,
  [
    ...nodeOptions,
    '--watch',
    '--watch-preserve-output',
    ...folders.map((folder) => `--watch-path=${folder}`),
    'standalone/src/main.ts',
  ],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'inherit', 'pipe'],
    // The watcher and the stack have a process group of their own. Otherwise the stack would get the signal of Ctrl-C
    // twice: from the terminal and from the watcher. The second signal would force the stack to exit.
    detached: true,
  },
);
watcher.stderr.pipe(
  pretty({
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: '{service}: {msg}',
    ignore: 'service',
    destination: 2,
    sync: true,
  }),
);
process.on('SIGINT', () => watcher.kill('SIGINT'));
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => watcher.kill('SIGTERM'));
// Ends the watcher when this process ends, for whatever reason.
process.once('exit', () => watcher.kill('SIGTERM'));
watcher.once('close', (code) => process.exit(code ?? 1));

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isOnPath, stopProcess } from '@voucher-gateway/standalone/engines/process';
import type { AttackersData, AttackersTally } from './attackers-process.ts';

export interface Attackers extends AsyncDisposable {
  /** Resolves with the counts. Rejects once the process has exited. */
  tally(): Promise<AttackersTally>;
}

const entry = fileURLToPath(new URL('./attackers-process.ts', import.meta.url));
/**
 * Real attackers run on other machines, and take no CPU time from the gateway. The attackers of the benchmark run on
 * the same machine. So all threads of their process have the lowest priority.
 */
const withoutPriority = isOnPath('chrt') ? ['chrt', '--idle', '0'] : ['nice', '-n', '19'];

/** Starts the attackers in a separate process. */
export async function startAttackers(data: AttackersData): Promise<Attackers> {
  const [command = '', ...args] = [...withoutPriority, process.execPath, entry, JSON.stringify(data)];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = new AbortController();
  child.once('exit', () => exited.abort(new Error('the attackers have exited')));
  child.on('error', (error) => exited.abort(error));
  await once(child, 'spawn');
  return {
    async tally() {
      child.send('tally');
      const [tally] = await once(child, 'message', { signal: exited.signal });
      return tally;
    },
    [Symbol.asyncDispose]: () => stopProcess(child, 'SIGKILL'),
  };
}

import { readFile } from 'node:fs/promises';
import { errorCode } from '../../errors.ts';

/**
 * The process that a lock file names. A pid alone does not identify the process, because pids are reused. A container
 * even reuses them at each start.
 */
export interface LockOwner {
  pid: number;
  /** The start time from the kernel, or an empty text if it is unknown. */
  started: string;
}

export const thisProcess = (): Promise<LockOwner> => identifyProcess(process.pid);

export async function identifyProcess(pid: number): Promise<LockOwner> {
  return { pid, started: (await readProcess(pid))?.started ?? '' };
}

/** `dying`: killed or exiting, but some of its threads are still running. */
export type OwnerState = 'alive' | 'dying' | 'dead';

/**
 * Reads whether the owner of a lock still runs. A zombie, which was killed but not reaped, counts as dead. On a system
 * without /proc, any process with the pid counts as alive.
 */
export async function readOwnerState({ pid, started }: LockOwner): Promise<OwnerState> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return 'dead';
  }
  const found = await readProcess(pid);
  if (pid === process.pid) return found?.started === started ? 'alive' : 'dead';
  if (!found) return 'alive';
  if (started !== '' && found.started !== started) return 'dead';
  if (found.state === 'Z' || found.state === 'X') return found.threads > 1 ? 'dying' : 'dead';
  return found.isExiting || (await isBeingKilled(pid)) ? 'dying' : 'alive';
}

/** PF_EXITING of the kernel's `include/linux/sched.h`. */
const exitingFlag = 0x4;

/** @see proc_pid_stat(5) */
async function readProcess(pid: number) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  // The command in parentheses may contain spaces, so the fields are counted from the closing parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state = '', , , , , , flags = '0'] = fields;
  return {
    state,
    isExiting: (Number(flags) & exitingFlag) !== 0,
    threads: Number(fields[17] ?? 1),
    started: fields[19] ?? '',
  };
}

/** Whether SIGKILL is pending, so that the process will run no more code. */
async function isBeingKilled(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const killBit = 1n << 8n;
  return [...status.matchAll(/^(?:SigPnd|ShdPnd):\s*([\da-f]+)$/gm)].some(
    ([, mask]) => (BigInt(`0x${mask}`) & killBit) !== 0n,
  );
}

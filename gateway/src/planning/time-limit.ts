import { pause } from '@voucher-gateway/platform/async/pause';

export interface TimeLimitOptions {
  /** Returns the CPU time of the planner thread in milliseconds; null if the thread has ended. */
  readCpuMs(): Promise<number | null>;
  /** When the operation was sent to the thread, as `performance.now()`. */
  startedAtMs: number;
  /** Limit of CPU time. */
  timeoutMs: number;
  /** Limit of elapsed time. */
  elapsedTimeoutMs: number;
  /** Aborts when the operation has ended. */
  signal: AbortSignal;
}

export interface UsedTime {
  cpuMs: number;
  elapsedMs: number;
}

/** Shortest time between two checks. */
const checkEveryMs = 20;

/**
 * Waits until an operation reaches a limit, and then resolves with its CPU time and its elapsed time. Resolves with
 * null if the operation or its thread ends without reaching a limit.
 */
export async function untilTimeIsUsed(options: TimeLimitOptions): Promise<UsedTime | null> {
  const { readCpuMs, startedAtMs, timeoutMs, elapsedTimeoutMs, signal } = options;
  const cpuAtStartMs = await readCpuMs();
  if (cpuAtStartMs === null) return null;
  for (let cpuMs = 0; !signal.aborted; ) {
    const elapsedMs = performance.now() - startedAtMs;
    if (cpuMs >= timeoutMs || elapsedMs >= elapsedTimeoutMs) return { cpuMs, elapsedMs };
    await pause(Math.max(checkEveryMs, Math.min(timeoutMs - cpuMs, elapsedTimeoutMs - elapsedMs)), signal);
    const nowMs = signal.aborted ? null : await readCpuMs();
    if (nowMs === null) return null;
    cpuMs = nowMs - cpuAtStartMs;
  }
  return null;
}

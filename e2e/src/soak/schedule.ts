/** What can go wrong during a soak. `faults.ts` has a function for each. */
export const faultNames = [
  'begin-cut',
  'connections-terminated',
  'database-read-only',
  'database-silent',
  'kafka-killed',
  'restarted-without-kafka',
  'lease-holder-frozen',
  'service-frozen',
  'service-killed',
  'redis-flushed',
  'rolling-restart',
  'provider-outage',
  'receiver-hangs',
] as const;
export type FaultName = (typeof faultNames)[number];

/** A fault that is due. */
export interface Due {
  /** Since the load began. */
  atMs: number;
  fault: FaultName;
  /** In [0, 1): which of the processes it hits, where it hits one. */
  which: number;
}

export interface ScheduleOptions {
  seed: string;
  durationMs: number;
  everyMs: number;
  /** Those to draw from. Default: all. */
  names?: readonly FaultName[];
}

/**
 * When which fault begins: the same seed gives the same schedule. Each fault comes once before any comes again, in an
 * order that is drawn anew for each round. The last one begins `everyMs` before the end.
 */
export function createSchedule({ seed, durationMs, everyMs, names = faultNames }: ScheduleOptions): Due[] {
  const random = createRandom(seed);
  const schedule: Due[] = [];
  let round: FaultName[] = [];
  for (let atMs = everyMs; atMs <= durationMs - everyMs; atMs += everyMs) {
    if (round.length === 0) round = shuffle(names, random);
    const fault = round.pop();
    if (fault) schedule.push({ atMs, fault, which: random() });
  }
  return schedule;
}

function shuffle<T>(values: readonly T[], random: () => number): T[] {
  const shuffled = [...values];
  for (let index = shuffled.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [shuffled[index], shuffled[other]] = [shuffled[other] as T, shuffled[index] as T];
  }
  return shuffled;
}

/** Numbers in [0, 1) that follow from the seed: FNV-1a of it, then mulberry32. */
export function createRandom(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The faults of a soak, each implemented in `faults.ts`. */
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

/** Faults that restart processes. Memory growth is not checked in runs with these faults. */
export const restartingFaults: readonly FaultName[] = ['restarted-without-kafka', 'rolling-restart', 'service-killed'];

/** A fault that is due. */
export interface Due {
  /** Time since the start of the load. */
  atMs: number;
  fault: FaultName;
  /** A number in [0, 1) that selects the affected process. */
  which: number;
}

export interface ScheduleOptions {
  seed: string;
  durationMs: number;
  everyMs: number;
  /** The faults to choose from. Default: all. */
  names?: readonly FaultName[];
}

/**
 * Creates the schedule of faults, which depends only on the seed. In each round every fault occurs once, in random
 * order. The last fault starts `everyMs` before the end.
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

/** A pseudo-random generator of numbers in [0, 1): mulberry32, seeded with FNV-1a. */
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

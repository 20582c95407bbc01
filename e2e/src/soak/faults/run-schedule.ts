import { setTimeout as sleep } from 'node:timers/promises';
import { faults as allFaults, type Fault, type FaultContext, type Resource } from './faults.ts';
import type { Due, FaultName } from './schedule.ts';

export interface RunningSchedule {
  /** Active faults. */
  readonly active: ReadonlySet<FaultName>;
  /** Resolves when all faults are healed. */
  readonly done: Promise<void>;
}

/**
 * Injects each fault when it is due. Faults with a common resource run one after the other. All other faults overlap.
 *
 * @param say called when a fault starts, and when it is healed
 */
export function runSchedule(
  schedule: readonly Due[],
  context: FaultContext,
  say: (what: string) => void,
  faults: Readonly<Record<FaultName, Fault>> = allFaults,
): RunningSchedule {
  const active = new Set<FaultName>();
  const busy = new Map<Resource, Promise<unknown>>();
  const startedAt = performance.now();
  const make = async ({ fault, which }: Due) => {
    const { needs, run } = faults[fault];
    const free = Promise.all(needs.map((resource) => busy.get(resource)));
    const healed = free.then(async () => {
      active.add(fault);
      say(`${fault} begins`);
      await run(context, which).catch((error: unknown) => context.complain(`${fault} failed: ${error}`));
      active.delete(fault);
      say(`${fault} is healed`);
    });
    for (const resource of needs) busy.set(resource, healed);
    await healed;
  };
  const running = async () => {
    const healed: Promise<void>[] = [];
    for (const due of schedule) {
      await sleep(Math.max(0, startedAt + due.atMs - performance.now()));
      healed.push(make(due));
    }
    await Promise.all(healed);
  };
  return { active, done: running() };
}

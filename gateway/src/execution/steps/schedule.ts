import type { Step } from './steps.ts';

/**
 * Assigns a level to each step. A step waits only for steps of lower levels. Entity fetches of one level to the same
 * subgraph can become one request. Compares two schedules: each step as early as possible, or as late as possible.
 * Returns the schedule with fewer requests.
 */
export function scheduleSteps(steps: readonly Step[]): readonly number[] {
  const early = earliestLevels(steps);
  if (steps.filter(({ entities }) => entities).length < 2) return early;
  const late = latestLevels(steps, early);
  return countRequests(steps, late) < countRequests(steps, early) ? late : early;
}

function earliestLevels(steps: readonly Step[]): number[] {
  const levels: number[] = [];
  for (const { after } of steps) levels.push(1 + Math.max(-1, ...after.map((index) => levels[index] as number)));
  return levels;
}

/**
 * Gives each entity fetch the latest level that adds no level to the plan. Exception: a fetch that is ready earlier
 * joins another entity fetch to the same subgraph.
 */
function latestLevels(steps: readonly Step[], early: readonly number[]): number[] {
  const depth = Math.max(...early);
  const last = steps.map(() => depth);
  for (const [index, { after }] of [...steps.entries()].reverse())
    for (const before of after) last[before] = Math.min(last[before] as number, (last[index] as number) - 1);

  const levels: number[] = [];
  const placed = (index: number) => levels[index] !== undefined;
  for (let level = 0; level <= depth; level += 1) {
    const ready = [...steps.keys()].filter(
      (index) => !placed(index) && steps[index]?.after.every((before) => (levels[before] ?? level) < level),
    );
    const due = ready.filter((index) => last[index] === level || !steps[index]?.entities);
    const asked = new Set(due.filter((index) => steps[index]?.entities).map((index) => steps[index]?.subgraph));
    for (const index of ready) if (due.includes(index) || asked.has(steps[index]?.subgraph)) levels[index] = level;
  }
  return levels;
}

function countRequests(steps: readonly Step[], levels: readonly number[]): number {
  const merged = new Set(
    steps.map(({ subgraph, entities }, index) => (entities ? `${levels[index]} ${subgraph}` : index)),
  );
  return merged.size;
}

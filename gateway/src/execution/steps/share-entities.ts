import { fieldsOf, readFetchText } from './fetch-text.ts';
import type { Step } from './steps.ts';

/**
 * Marks the entity fetches of a query that get the same fields from the same subgraph, so that each entity is fetched
 * only once. The fetches of a mutation are not marked, because the entity may change between them.
 */
export function shareEntities(steps: readonly Step[]): readonly Step[] {
  const bySubgraph = Map.groupBy(
    steps.filter(({ entities, context }) => entities && !context),
    ({ subgraph }) => subgraph,
  );
  const repeated = new Map<Step, string>();
  for (const [subgraph, candidates] of bySubgraph) {
    if (candidates.length < 2) continue;
    const byFields = Map.groupBy(candidates, ({ query }) => {
      const text = readFetchText(query);
      return text && fieldsOf(text);
    });
    for (const [fields, equal] of byFields)
      if (fields !== null && equal.length > 1) for (const step of equal) repeated.set(step, `${subgraph} ${fields}`);
  }
  if (repeated.size === 0) return steps;
  return steps.map((step) => {
    const sharedAs = repeated.get(step);
    return sharedAs === undefined
      ? step
      : { ...step, entities: step.entities?.map((entity) => ({ ...entity, sharedAs })) ?? null };
  });
}

import type { Supergraph } from '@apollo/federation-internals';

/** Called for each request. Returns the `@override` labels that are on for this request. */
export type ChooseOverrides = () => readonly string[];

export interface OverrideOptions {
  /**
   * Labels that are on for all requests. A label `percent(5)` needs no entry, and is on for 5 % of the requests. All
   * other labels are off.
   */
  labels: readonly string[];
  /** Returns a random number from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

/**
 * Reads the `@override` labels of a supergraph. For each request one random number is compared with all percentages. A
 * number below 5 is also below 20, so `percent(5)` is never active without `percent(20)`. With these two labels, an
 * operation has three plans and not four.
 */
export function readOverrides(
  { schema }: Supergraph,
  { labels, random = Math.random }: OverrideOptions,
): ChooseOverrides {
  const known = new Set<string>();
  for (const application of schema.directive('join__field')?.applications() ?? []) {
    const { overrideLabel } = application.arguments();
    if (typeof overrideLabel === 'string') known.add(overrideLabel);
  }
  const constant = [...known].filter((label) => labels.includes(label)).sort();
  const percentages = [...known].flatMap((label) => {
    const percent = /^percent\(([\d.]+)\)$/.exec(label)?.[1];
    return percent === undefined || constant.includes(label) ? [] : [{ label, percent: Number(percent) }];
  });
  if (percentages.length === 0) return () => constant;
  return () => {
    const drawn = 100 * random();
    const on = percentages.filter(({ percent }) => drawn < percent).map(({ label }) => label);
    return [...constant, ...on].sort();
  };
}

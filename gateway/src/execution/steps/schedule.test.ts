import { GraphQLSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import { scheduleSteps } from './schedule.ts';
import { listSteps, type Step } from './steps.ts';

const step = (subgraph: string, ...after: number[]): Step => ({
  subgraph,
  query: '',
  operationName: undefined,
  variables: [],
  after,
  part: null,
  entities: [],
  path: [],
  outputRewrites: undefined,
  context: null,
});
const root = (subgraph: string, ...after: number[]): Step => ({ ...step(subgraph, ...after), entities: null });

describe('schedule', () => {
  it('lets a fetch wait for one to the same subgraph, without another level', () => {
    // There are two fetches from `products`. One waits for `reviews`, which waits for `users`. The other waits for
    // `top`.
    const steps = [root('users'), step('reviews', 0), step('products', 1), root('top'), step('products', 3)];
    expect(scheduleSteps(steps)).toEqual([0, 1, 2, 0, 2]);
  });

  it('starts each fetch as early as possible if waiting saves no request', () => {
    const steps = [root('users'), step('reviews', 0), step('products', 1), root('top'), step('stock', 3)];
    expect(scheduleSteps(steps)).toEqual([0, 1, 2, 0, 1]);
  });
});

describe('steps', () => {
  const fetch = (serviceName: string) =>
    ({ kind: 'Fetch', serviceName, operation: '{a}', operationKind: 'query' }) as never;
  const afters = (node: object, conditions = {}) =>
    listSteps(new GraphQLSchema({}), node as never, conditions).map(({ subgraph, after }) => [subgraph, after]);

  it('wait for the whole step before them in a sequence', () => {
    const parallel = { kind: 'Parallel', nodes: [fetch('b'), { kind: 'Sequence', nodes: [fetch('c'), fetch('d')] }] };
    expect(afters({ kind: 'Sequence', nodes: [fetch('a'), parallel, fetch('e')] })).toEqual([
      ['a', []],
      ['b', [0]],
      ['c', [0]],
      ['d', [2]],
      ['e', [1, 3]],
    ]);
  });

  it('are those of the branch that a condition chooses', () => {
    const node = { kind: 'Condition', condition: 'yes', ifClause: fetch('a'), elseClause: fetch('b') };
    expect(afters(node, { yes: true })).toEqual([['a', []]]);
    expect(afters(node, { yes: false })).toEqual([['b', []]]);
  });
});

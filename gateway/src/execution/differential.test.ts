import fc from 'fast-check';
import { type GraphQLError, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { writeOperation } from '../testing/federated-world/random-operation.ts';
import { hasCovariantFields } from '../testing/federated-world/supergraph.ts';
import { createWorld, type ExecutionOptions, type Outcome, type World } from '../testing/federated-world/world.ts';

const worlds = new Map<number, World>();
const worldOf = (seed: number) => {
  const world = worlds.get(seed) ?? createWorld(seed);
  worlds.set(seed, world);
  return world;
};

/** A valid operation for a generated supergraph. */
const scenario = fc
  .record({ world: fc.integer({ min: 1, max: 4 }), operation: fc.nat(), failOneIn: fc.constantFrom(0, 0, 7, 20) })
  .map(({ world, operation, failOneIn }) => ({
    world: worldOf(world),
    options: {
      ...writeOperation(worldOf(world).schema, operation),
      failOneIn: hasCovariantFields(world) ? 0 : failOneIn,
    },
  }))
  .filter(({ world, options: { text } }) => world.validate(parse(text)).length === 0);

async function executeByBoth(world: World, options: ExecutionOptions) {
  return { ours: await world.executeByOurs(options), apollo: await world.executeByApollo(options) };
}

const messagesOf = (errors: readonly GraphQLError[]) =>
  errors.map(({ message, extensions }) => `${extensions.code} ${message}`).sort();

/** Expects null at the path of each error, or at a parent of that path. */
function expectNullAt({ data, errors, unfit }: Outcome) {
  for (const { path = [] } of [...errors, ...unfit]) {
    let value = data;
    for (const step of path) value = (value as Record<string, unknown> | null)?.[step];
    expect(value ?? null, `the value at ${path.join('.')}`).toBeNull();
  }
}

describe('executor: as Apollo’s', () => {
  it('has the same data and errors for any operation', async () => {
    let requests = { ours: 0, apollo: 0 };
    await fc.assert(
      fc.asyncProperty(scenario, async ({ world, options }) => {
        const { ours, apollo } = await executeByBoth(world, options);
        expect(ours.data).toEqual(apollo.data);
        // Apollo's plan also fetches fields of fragments that do not match the object's type. So Apollo may report more
        // errors.
        expect(messagesOf(apollo.errors)).toEqual(expect.arrayContaining(messagesOf(ours.errors)));
        expectNullAt(ours);
        expect(ours.mutations).toEqual(apollo.mutations);
        // Apollo's executor reports values of a wrong type only if there are no other errors.
        if (apollo.errors.length === 0 && apollo.unfit.length > 0) expect(ours.unfit).not.toEqual([]);
        expect(ours.requests).toBeLessThanOrEqual(apollo.requests);
        requests = { ours: requests.ours + ours.requests, apollo: requests.apollo + apollo.requests };
      }),
      { numRuns: 150 },
    );
    expect(requests.ours).toBeGreaterThan(100);
  }, 240_000);
});

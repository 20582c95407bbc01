import fc from 'fast-check';
import { GraphQLError, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { completeBySpecification, tellLies } from '../testing/federated-world/lies.ts';
import { writeOperation } from '../testing/federated-world/random-operation.ts';
import { createWorld, type World } from '../testing/federated-world/world.ts';

const worlds = [createWorld(1), createWorld(3)] as const;

const scenarioOf = (among: readonly World[]) =>
  fc
    .record({ world: fc.constantFrom(...among), operation: fc.nat(), failOneIn: fc.constantFrom(0, 10) })
    .map(({ world, operation, failOneIn }) => ({
      world,
      options: { ...writeOperation(world.schema, operation, { isTyped: true }), failOneIn },
    }))
    .filter(({ world, options: { text } }) => world.validate(parse(text)).length === 0);
const scenario = scenarioOf(worlds);
const subgraph = fc.constantFrom('catalog', 'people', 'reviews', 'extras');

async function expectBySpecification(
  world: World,
  { text, variables }: { text: string; variables: object },
  data: unknown,
) {
  if (data === null) return;
  const completed = await completeBySpecification(world.schema, parse(text), variables as never, data);
  expect(JSON.stringify(completed)).toBe(JSON.stringify(data));
}

describe('executor: the result', () => {
  it('is as the specification says, whatever subgraphs answer', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, fc.nat(), fc.constantFrom(1, 3, 10, 30), async ({ world, options }, seed, oneIn) => {
        const { data, errors, unfit } = await world.executeByOurs({
          ...options,
          fault: (_, response) => tellLies(response, seed, oneIn),
        });
        await expectBySpecification(world, options, data);
        for (const { path, extensions } of [...errors, ...unfit]) {
          expect(extensions.code).toMatch(/^[A-Z_]+$/);
          expect(path?.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 120 },
    );
  }, 240_000);

  it('is as the specification says for right answers', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ world, options }) => {
        await expectBySpecification(world, options, (await world.executeByOurs(options)).data);
      }),
      { numRuns: 50 },
    );
  }, 240_000);

  it('lacks only the fields of an unreachable subgraph', async () => {
    await fc.assert(
      // The second world is left out. In that world Apollo's executor takes nullability from the interface, and its
      // results differ from ours.
      fc.asyncProperty(scenarioOf([worlds[0]]), subgraph, async ({ world, options }, away) => {
        const fault = (name: string, response: object) => {
          if (name === away) throw new GraphQLError('away', { extensions: { code: 'SUBGRAPH_UNAVAILABLE' } });
          return response;
        };
        const ours = await world.executeByOurs({ ...options, fault });
        const apollo = await world.executeByApollo({ ...options, fault });
        expect(ours.data).toEqual(apollo.data);
        // Apollo's plan also fetches fields of fragments that do not match the object's type. So Apollo may report more
        // errors.
        if (ours.errors.length > 0) expect(apollo.errors).not.toEqual([]);
        for (const { path } of ours.errors) expect(path?.length).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  }, 240_000);
});

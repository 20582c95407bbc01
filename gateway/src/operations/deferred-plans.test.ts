import { describe, expect, it } from 'vitest';
import { tooComplex } from '../request/limits.ts';
import { leasePlanner } from '../testing/operations/lease-planner.ts';
import { anonymous } from '../testing/operations/operations.ts';
import { openTestPipeline } from '../testing/operations/pipeline.ts';

const query = '{ me { id ... @defer { username } } }';

describe('operations: with @defer', () => {
  it('have a plan for clients that take deferred parts, and another for the others', async () => {
    await using pipeline = await openTestPipeline();
    const { operations } = pipeline;
    const prepare = (takesDeferred: boolean) => operations.prepare({ query }, anonymous, takesDeferred);
    for (const takesDeferred of [true, false, true, false]) {
      expect((await prepare(takesDeferred)).plan.hasDeferred === true).toBe(takesDeferred);
    }
    expect(operations.prepareKnown({ query }, anonymous)?.plan.hasDeferred).toBeUndefined();
  });

  describe('that take the planner too long', () => {
    const openPipeline = async () => {
      const deferred: string[] = [];
      const pipeline = await openTestPipeline({
        createPlanner: (options) => {
          const planner = leasePlanner(options);
          return {
            plan: async (request, requester) => {
              // Only `query` can be planned, and only without deferred parts.
              if (request.takesDeferred || request.text !== query) {
                deferred.push(request.text);
                throw tooComplex('planning', 1_000);
              }
              return planner.plan(request, requester);
            },
            ping: () => planner.ping(),
            [Symbol.asyncDispose]: () => planner[Symbol.asyncDispose](),
          };
        },
      });
      return { deferred, pipeline };
    };

    it('are planned without deferred parts', async () => {
      const { pipeline } = await openPipeline();
      await using _ = pipeline;
      const operation = await pipeline.operations.prepare({ query }, anonymous, true);
      expect(operation.plan.hasDeferred).toBeUndefined();
    });

    it('are not planned with deferred parts again, however many others are', async () => {
      const { pipeline, deferred } = await openPipeline();
      await using _ = pipeline;
      const { operations } = pipeline;
      await operations.prepare({ query }, anonymous, true);
      // The plan cache remembers the refusals of 1,000 operations. The 1,000 other operations evict the refusal of
      // `query`.
      const others = Array.from({ length: 1_000 }, (_, index) => `query Q${index} ${query}`);
      for (const other of others)
        await expect(operations.prepare({ query: other }, anonymous, true)).rejects.toThrow('planning');
      await operations.prepare({ query }, anonymous, true);
      expect(deferred.filter((text) => text === query)).toHaveLength(1);
    });
  });

  it('are not shared by several clients', async () => {
    await using pipeline = await openTestPipeline({ shareReads: true, answer: { me: { id: '1', username: 'ann' } } });
    const { operations, sent } = pipeline;
    const results = await Promise.all(
      [1, 2].map(async () => operations.execute(await operations.prepare({ query }, anonymous, true), anonymous)),
    );
    await Promise.all(results.map((result) => result.deferred?.settled));
    expect(sent.filter((text) => String(text).includes('{me{'))).toHaveLength(2);
  });
});

import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { describe, expect, it } from 'vitest';
import { createEventQueue } from '../testing/event-queue.ts';
import { leasePlanner } from '../testing/operations/lease-planner.ts';
import { anonymous } from '../testing/operations/operations.ts';
import { openTestPipeline } from '../testing/operations/pipeline.ts';
import type { Operation } from './operations.ts';

describe('operations', () => {
  it('plan a text once for concurrent requests', async () => {
    await using pipeline = await openTestPipeline();
    const { planner } = pipeline.federation.current;
    let planned = 0;
    const plan = planner.plan.bind(planner);
    planner.plan = (...input) => {
      planned += 1;
      return plan(...input);
    };
    const prepare = () => pipeline.operations.prepare({ query: '{ me { id username } }' }, anonymous);
    const [first, ...others] = await Promise.all([prepare(), prepare(), prepare()]);
    expect(planned).toBe(1);
    for (const { document, plan } of [...others, await prepare()]) {
      expect(document).toBe(first?.document);
      expect(plan).toBe(first?.plan);
    }
  });

  it('parse few new texts while the planner is busy', async () => {
    // Regression: a thousand parsed documents, 1 MiB each, waited for the planner.
    const planned = createEventQueue<() => void>(() => {});
    let waiting = 0;
    let most = 0;
    await using pipeline = await openTestPipeline({
      answer: { me: { id: 'ann' } },
      createPlanner: (options) => {
        const planner = leasePlanner(options);
        return {
          ...planner,
          async plan(request, requester) {
            const { promise, resolve } = Promise.withResolvers<void>();
            waiting += 1;
            most = Math.max(most, waiting);
            planned.push(resolve);
            await promise;
            return planner.plan(request, requester);
          },
        };
      },
    });
    const answers = Array.from({ length: 12 }, (_, index) => pipeline.run(`{ a${index}: me { id } }`));
    for (let index = 0; index < answers.length; index += 1) {
      const { value: release } = await planned.events.next();
      waiting -= 1;
      if (release) release();
    }
    await Promise.all(answers);
    expect(most).toBe(2);
  });

  it('use the next supergraph if it is reloaded between their turns', async () => {
    // Regression: the planner of the previous supergraph refused such operations with SERVICE_UNAVAILABLE.
    await using pipeline = await openTestPipeline({ largeOperationsShare: 0.02 });
    let prepared: Promise<Operation> | undefined;
    await pipeline.federation.reload(supergraphSdl(), {
      async prepare() {
        // These texts use up the share of the event loop, so that the next text has to wait.
        for (const name of ['A', 'B', 'C']) await pipeline.refusal(`${largeQuery(name)} }`);
        prepared = pipeline.operations.prepare({ query: '{ me { id } }' }, anonymous);
        return { pending: () => null, commit() {}, async finish() {}, async [Symbol.asyncDispose]() {} };
      },
    });
    expect((await prepared)?.federation).toBe(pipeline.federation.current);
  });

  it('cache a large document on its second use', async () => {
    // Regression: large new documents filled the old generation of the heap. Garbage collections then delayed all
    // requests.
    await using pipeline = await openTestPipeline();
    const prepare = async (query: string) => (await pipeline.operations.prepare({ query }, anonymous)).document;
    const roots = Array.from({ length: 19 }, (_, index) => `a${index}: me { ${'id '.repeat(40)} }`);
    const large = `{ ${roots.join(' ')} }`;
    const [first, second, third] = [await prepare(large), await prepare(large), await prepare(large)];
    expect(second).not.toBe(first);
    expect(third).toBe(second);
    const small = '{ me { id } }';
    expect(await prepare(small)).toBe(await prepare(small));
  });

  it('answer cached texts at once while a client floods new ones', async () => {
    // Regression: a client that kept sending texts that fail before planning blocked the event loop all the time.
    await using pipeline = await openTestPipeline();
    await pipeline.refusal('{ me { id } }');
    const flood = Array.from({ length: 100 }, (_, index) => pipeline.refusal(`${largeQuery(`Q${index}`)} }`));
    let refused = 0;
    for (const refusal of flood) void refusal.then(() => (refused += 1));
    expect(await pipeline.refusal('{ me { id } }')).toBeNull();
    expect(refused).toBeLessThan(80);
    const codes = new Set((await Promise.all(flood)).map((error) => codeOf(error)));
    // Each text either waits and is parsed, or is refused.
    expect([...codes].filter((code) => code !== 'SERVICE_UNAVAILABLE')).toEqual(['GRAPHQL_PARSE_FAILED']);
  });

  it('execute small ones at once while large ones wait for their turn', async () => {
    // Regression: a client with a thousand large, cached operations per second starved all other clients.
    await using pipeline = await openTestPipeline({ answer: { me: { id: '1' } } });
    await pipeline.refusal('{ me { id } }');
    const roots = Array.from({ length: 19 }, (_, index) => `a${index}: me { ${'id '.repeat(40)} }`);
    const large = await pipeline.operations.prepare({ query: `{ me { id } ${roots.join(' ')} }` }, anonymous);
    let executed = 0;
    const flood = Array.from({ length: 50 }, () =>
      pipeline.operations.execute(large, anonymous).then(({ data }) => {
        executed += 1;
        return data;
      }),
    );
    expect(await pipeline.run('{ me { id } }')).toEqual({ data: { me: { id: '1' } } });
    expect(executed).toBeLessThan(40);
    for (const data of await Promise.all(flood)) expect(data).toMatchObject({ me: { id: '1' }, a18: null });
  });
});

const largeQuery = (name: string) => `query ${name} { me { ${'id '.repeat(4_900)} } }`;

function codeOf(error: unknown): string | undefined {
  const { code, extensions } = error as { code?: string; extensions?: { code: string } };
  return extensions?.code ?? code;
}

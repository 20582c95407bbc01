import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { getIntrospectionQuery } from 'graphql';
import { describe, expect, it } from 'vitest';
import { openTestPipeline } from '../testing/operations/pipeline.ts';

function doubling(times: number, selection: string): string {
  const fragments = Array.from(
    { length: times },
    (_, index) => `fragment F${index} on User { ...F${index + 1} @include(if: $a) ...F${index + 1} @skip(if: $b) }`,
  );
  return `query($a: Boolean!, $b: Boolean!) { me { ...F0 } } ${fragments.join(' ')} fragment F${times} on User { ${selection} }`;
}

describe('operations: limits', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => index);
  it.each([
    ['tokens', `{ me { ${'id '.repeat(6_000)} } }`, 'MAX_TOKENS'],
    [
      'aliases',
      `{ me { ${ids(101)
        .map((id) => `a${id}: id`)
        .join(' ')} } }`,
      'MAX_ALIASES',
    ],
    ['root fields', `mutation { ${'signOut '.repeat(21)} }`, 'MAX_ROOT_FIELDS'],
    ['directives', `{ me { ${'id @skip(if: false) '.repeat(101)} } }`, 'MAX_DIRECTIVES'],
    ['levels', `{ me { ${'deliveries { '.repeat(30)} id ${'} '.repeat(30)} } }`, 'MAX_DEPTH'],
    ['cost', '{ purchasedVouchers(first: 100000) { nodes { id } } }', 'MAX_COST'],
    ['conditions of fragments', doubling(14, 'id'), 'MAX_DIRECTIVES'],
    [
      'selections of fragments',
      doubling(14, 'id')
        .replace(/ @(skip|include)\(if: \$[ab]\)/g, '')
        .replace('($a: Boolean!, $b: Boolean!) ', ''),
      'MAX_TOKENS',
    ],
    [
      'introspection',
      `{ ${ids(5)
        .map((id) => `a${id}: __schema { types { ${'fields { type { '.repeat(9)} name ${'} } '.repeat(9)} } }`)
        .join(' ')} }`,
      'introspection',
    ],
    ['comparisons of fields', `{ me { ${'id '.repeat(4_900)} } }`, 'validation'],
    [
      'values',
      `{ ${ids(20)
        .map((id) => `r${id}: purchasedVouchers(first: 100) { nodes { ${'... { '.repeat(40)} id ${'} '.repeat(40)} } }`)
        .join(' ')} }`,
      'values',
    ],
    ['nesting of variables', '{ me { id } }', 'nesting'],
  ])('refuse too many %s, with the limit and both figures', async (_what, query, limit) => {
    await using pipeline = await openTestPipeline();
    const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`);
    const error = await pipeline.refusal(query, limit === 'nesting' ? { deep } : {});
    expect(error).toMatchObject({ code: 'OPERATION_TOO_COMPLEX', details: { limit, maximum: expect.any(Number) } });
    if (limit !== 'nesting' && limit !== 'validation')
      expect((error as { details: { actual: number } }).details.actual).toBeGreaterThan(0);
    expect((error as Error).message).toContain(limit);
    expect(pipeline.sent).toEqual([]);
  });

  it('allow the operations of tools and the playground', async () => {
    await using pipeline = await openTestPipeline();
    const full = getIntrospectionQuery({
      descriptions: true,
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      schemaDescription: true,
      inputValueDeprecation: true,
    });
    expect(await pipeline.run(full)).toMatchObject({ data: { __schema: { queryType: { name: 'Query' } } } });
  });

  it('only log in measure mode', async () => {
    const log = createMemoryLog();
    await using pipeline = await openTestPipeline({ mode: 'measure', log, answer: { me: { id: '1' } } });
    const aliases = ids(101)
      .map((id) => `a${id}: __typename`)
      .join(' ');
    expect(await pipeline.run(`{ ${aliases} me { id } }`)).toMatchObject({ data: { a0: 'Query', me: { id: '1' } } });
    expect(log.text).toContain('"limit":"MAX_ALIASES","maximum":100,"actual":101');
    expect(log.text).toContain('"limit":"MAX_ROOT_FIELDS","maximum":20,"actual":102');
  });

  it('compute the cost with the variables of each request', async () => {
    await using pipeline = await openTestPipeline({ answer: { purchasedVouchers: { nodes: [] } } });
    const query = 'query($first: Int) { purchasedVouchers(first: $first) { nodes { id } } }';
    expect(await pipeline.refusal(query, { first: 50 })).toBeNull();
    expect(await pipeline.refusal(query, { first: 50_000 })).toMatchObject({ details: { limit: 'MAX_COST' } });
    expect(await pipeline.refusal(query, { first: 50 })).toBeNull();
  });

  it('stop measuring at the limit of selections, for any number of list sizes', async () => {
    // Regression: a text of 13 kB used one fragment with 250 list sizes. Measuring the fragment for each size blocked
    // the event loop for 60 ms.
    await using pipeline = await openTestPipeline();
    const fields = ids(250).map((id) => `purchasedVouchers(first: ${id} last: $n) { ...F }`);
    const fragment = `fragment F on VoucherConnection { ${'nodes { id } '.repeat(360)} }`;
    expect(await pipeline.refusal(`query($n: Int) { ${fields.join(' ')} } ${fragment}`, { n: 1 })).toMatchObject({
      details: { limit: 'MAX_TOKENS', maximum: 5_000, actual: 5_001 },
    });
  });

  it('let other operations run after millions of selections in measure mode', async () => {
    // Regression: `LoopShare` counted this operation as minutes of work, and refused all new texts for that time.
    await using pipeline = await openTestPipeline({ mode: 'measure', answer: { me: { id: '1' } } });
    const fragments = ids(24).map((id) => `fragment F${id} on Query { ...F${id + 1} ...F${id + 1} }`);
    await pipeline.run(`{ ...F0 } ${fragments.join(' ')} fragment F24 on Query { __typename }`);
    expect(await pipeline.run('query Next { me { id } }')).toMatchObject({ data: { me: { id: '1' } } });
  });

  it('refuse a chain of fragments that exceeds the stack, even in measure mode', async () => {
    await using pipeline = await openTestPipeline({ mode: 'measure' });
    const chain = ids(8_000)
      .map((id) => `fragment F${id} on User { ...F${id + 1} }`)
      .join(' ');
    expect(await pipeline.refusal(`{ me { ...F0 } } ${chain} fragment F8000 on User { id }`)).toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
    });
  });
});

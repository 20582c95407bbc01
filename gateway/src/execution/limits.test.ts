import { describe, expect, it } from 'vitest';
import { tooComplex } from '../request/limits.ts';
import { createTestExecutor } from '../testing/operations/executor.ts';

const subgraphs = {
  shop: 'type Query { items: [Item] }  type Item @key(fields: "id") { id: ID! }',
  store: 'type Item @key(fields: "id") { id: ID! text: String parts: [Part] }  type Part { size: Int }',
};

/** Creates an executor whose list has many references to one entity, which is fetched once. */
function open(items: number, entity: object) {
  return createTestExecutor({
    subgraphs,
    respond: ({ subgraph }) =>
      subgraph === 'shop'
        ? { data: { items: Array.from({ length: items }, () => ({ __typename: 'Item', id: '1' })) } }
        : { data: { _entities: [entity] } },
  });
}

const limitOf = (maxBytes: number) => ({
  maxBytes,
  exceed() {
    throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
  },
});

describe('executor: response limit', () => {
  const refused = { code: 'OPERATION_TOO_COMPLEX', details: { limit: 'MAX_RESPONSE_BYTES' } };

  it('covers a text that belongs to many objects', async () => {
    // The text of 100 kB belongs to 100,000 items: the response would have 10 GB.
    const executor = open(100_000, { text: 'x'.repeat(100_000) });
    await expect(executor.execute('{ items { text } }', {}, limitOf(1_000_000))).rejects.toMatchObject(refused);
  });

  it('covers an entity that is copied for many objects', async () => {
    const executor = open(10_000, { parts: Array.from({ length: 10_000 }, () => ({ size: 1 })) });
    await expect(executor.execute('{ items { parts { size } } }', {}, limitOf(1_000_000))).rejects.toMatchObject(
      refused,
    );
  });

  it('is enforced at twenty times when it is only measured', async () => {
    let exceeded = 0;
    const measured = {
      maxBytes: 1_000,
      exceed() {
        exceeded += 1;
      },
    };
    const small = await open(10, { text: 'x'.repeat(1_000) }).execute('{ items { text } }', {}, measured);
    expect(small.dataJson.length).toBeGreaterThan(10_000);
    expect(exceeded).toBe(1);
    await expect(
      open(100, { text: 'x'.repeat(1_000) }).execute('{ items { text } }', {}, measured),
    ).rejects.toMatchObject(refused);
  });

  it('allows what is below', async () => {
    const { data } = await open(2, { parts: [{ size: 1 }] }).execute(
      '{ items { parts { size } } }',
      {},
      limitOf(1_000),
    );
    expect(data).toEqual({ items: [{ parts: [{ size: 1 }] }, { parts: [{ size: 1 }] }] });
  });
});

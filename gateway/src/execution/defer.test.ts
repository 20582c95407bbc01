import { describe, expect, it } from 'vitest';
import { createHold } from '../testing/hold.ts';
import { item, open, type Respond, respond, run } from '../testing/operations/deferred-items.ts';
import { mergeParts } from '../testing/operations/merge-parts.ts';

describe('executor: @defer', () => {
  it('sends the primary part before the subgraphs of deferred ones respond', async () => {
    const hold = createHold();
    const executor = open({
      respond: async (request) => {
        if (request.subgraph === 'store') await hold.wait();
        return respond(request);
      },
    });
    const result = await executor.executeInParts('{ best { id ... @defer { stock } ... @defer { owner { name } } } }');
    expect(result.dataJson).toBe('{"best":{"id":"1"}}');
    const chunks = result.deferred?.chunks[Symbol.asyncIterator]();
    expect((await chunks?.next())?.value).toMatchObject({
      parts: [{ path: ['best'], dataJson: '{"owner":{"name":"Ann"}}' }],
      hasNext: true,
    });
    await hold.reached;
    hold.release();
    expect((await chunks?.next())?.value).toMatchObject({ parts: [{ dataJson: '{"stock":3}' }], hasNext: false });
    expect((await chunks?.next())?.done).toBe(true);
    await result.deferred?.settled;
  });

  describe('with many deferred requests', () => {
    const select = (count: number) => `{ best { owner { name } ${'... @defer { stock } '.repeat(count)} } }`;
    const nextTurn = () => new Promise(setImmediate);

    // Regression: the responses of all deferred requests were in memory until the primary part was written.
    it.each([
      [10, ['shop', ...Array(10).fill('store'), 'people']],
      [11, ['shop', 'people', ...Array(11).fill('store')]],
    ])('sends %d of them before the primary part only if they are at most ten', async (count, order) => {
      const answered: string[] = [];
      const result = await open({
        respond: async (request) => {
          if (request.subgraph === 'people') await nextTurn();
          answered.push(request.subgraph);
          return respond(request);
        },
      }).executeInParts(select(count));
      expect((await mergeParts(result)).parts).toBe(count);
      expect(answered).toEqual(order);
    });

    it('sends none of them if the primary part fails', async () => {
      const executor = open();
      const limit = {
        maxBytes: 10,
        exceed: () => {
          throw new Error('too large');
        },
      };
      await expect(executor.executeInParts(select(11), {}, limit)).rejects.toThrow('too large');
      await nextTurn();
      expect(executor.sent.map(({ subgraph }) => subgraph)).toEqual(['shop', 'people']);
    });
  });

  it('has one part per object of a list, fetched by one request', async () => {
    const { primary, parts, sent } = await run(
      '{ items { id ...Stock @defer(label: "stock") } } fragment Stock on Item { stock }',
    );
    expect(primary).toEqual({ items: [{ id: '1' }, { id: '2' }] });
    expect(parts).toEqual([
      { label: 'stock', path: 'items.0', data: { stock: 3 } },
      { label: 'stock', path: 'items.1', data: { stock: 3 } },
    ]);
    expect(sent).toEqual(['shop', 'store']);
  });

  it('of a nested fragment follows the part that contains it', async () => {
    const { parts } = await run('{ best { ... @defer(label: "a") { owner { id ... @defer(label: "b") { name } } } } }');
    expect(parts).toEqual([
      { label: 'a', path: 'best', data: { owner: { id: 'ann' } } },
      { label: 'b', path: 'best.owner', data: { name: 'Ann' } },
    ]);
  });

  it('of a fragment that is spread twice has a part at each place', async () => {
    const { primary, parts } = await run(
      '{ best { ...F } sure { ...F } } fragment F on Item { id ... @defer(label: "f") { shelf } }',
    );
    expect(primary).toEqual({ best: { id: '1' }, sure: { id: '1' } });
    expect(parts).toEqual([
      { label: 'f', path: 'best', data: { shelf: 'shelf of 1' } },
      { label: 'f', path: 'sure', data: { shelf: 'shelf of 1' } },
    ]);
  });

  it('of the root of a query has an empty path', async () => {
    const { primary, parts } = await run('{ best { id } ... @defer { items { id } } }');
    expect(primary).toEqual({ best: { id: '1' } });
    expect(parts).toEqual([{ path: '', data: { items: [{ id: '1' }, { id: '2' }] } }]);
  });

  it('of a value without a key follows the request that fetches it', async () => {
    const { primary, parts, sent } = await run('{ best { details { text ... @defer { colour } } } }');
    expect(primary).toEqual({ best: { details: { text: 'large' } } });
    expect(parts).toEqual([{ path: 'best.details', data: { colour: 'red' } }]);
    expect(sent).toEqual(['shop']);
  });

  it('of a mutation comes after its root fields', async () => {
    const { primary, parts } = await run('mutation { buy { id ... @defer { stock } } }');
    expect(primary).toEqual({ buy: { id: '1' } });
    expect(parts).toEqual([{ path: 'buy', data: { stock: 3 } }]);
  });

  it('is turned off by its condition', async () => {
    const text = 'query($on: Boolean = false) { best { id ... @defer(if: $on) { shelf } } }';
    expect(await run(text)).toMatchObject({ primary: { best: { id: '1', shelf: 'shelf of 1' } }, parts: [] });
    expect(await run(text, {}, { on: true })).toMatchObject({
      primary: { best: { id: '1' } },
      parts: [{ path: 'best' }],
    });
    expect(await run('{ best { id ... @defer(if: false) { shelf } } }')).toMatchObject({ parts: [] });
  });

  it('is ignored for a client that takes no parts', async () => {
    const result = await open().execute('{ best { id ... @defer { shelf } } }');
    expect(result.data).toEqual({ best: { id: '1', shelf: 'shelf of 1' } });
    expect(result.deferred).toBeNull();
  });

  it('has no parts for objects that are null', async () => {
    const nothing = () => ({ data: { best: null, items: [] } });
    const text = '{ best { ... @defer { stock } } items { ... @defer { stock } } }';
    expect(await run(text, { respond: nothing })).toMatchObject({ primary: { best: null, items: [] }, parts: [] });
  });

  it('has no parts below an object that became null because of an error', async () => {
    const nameless: Respond = () => ({ data: { best: { ...item('1'), name: null } } });
    const { primary, parts, errors } = await run('{ best { owner { ... @defer { id } } name } }', {
      respond: nameless,
    });
    expect(primary).toEqual({ best: null });
    expect(errors).toEqual(['best.name']);
    expect(parts).toEqual([]);
  });
});

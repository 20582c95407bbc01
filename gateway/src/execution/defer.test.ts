import { describe, expect, it } from 'vitest';
import { tooComplex } from '../request/limits.ts';
import { createHold } from '../testing/hold.ts';
import { createTestExecutor, type SentRequest, type TestExecutorOptions } from '../testing/operations/executor.ts';
import { mergeParts } from '../testing/operations/merge-parts.ts';

const subgraphs = {
  shop: `
    type Query { items: [Item] best: Item sure: Item! }
    type Mutation { buy: Item }
    type Item @key(fields: "id") { id: ID! name: String! details: Details owner: Owner }
    type Details { text: String! colour: String }
    type Owner @key(fields: "id") { id: ID! }
  `,
  store: 'type Item @key(fields: "id") { id: ID! stock: Int! shelf: String }',
  people: 'type Owner @key(fields: "id") { id: ID! name: String }',
};

const item = (id: string) => ({
  __typename: 'Item',
  id,
  name: `item ${id}`,
  details: { text: 'large', colour: 'red' },
  owner: { __typename: 'Owner', id: 'ann' },
});

type Respond = TestExecutorOptions['respond'];

/** Answers requests to all subgraphs, with every field that they have. */
const respond: Respond = ({ subgraph, query, variables }: SentRequest) => {
  if (!query.includes('_entities'))
    return { data: { items: [item('1'), item('2')], best: item('1'), sure: item('1'), buy: item('1') } };
  const entity = (id: string) =>
    subgraph === 'shop' ? item(id) : subgraph === 'store' ? { stock: 3, shelf: `shelf of ${id}` } : { name: 'Ann' };
  return { data: { _entities: (variables.representations as { id: string }[]).map(({ id }) => entity(id)) } };
};

const open = (options: Partial<TestExecutorOptions> = {}) => createTestExecutor({ subgraphs, respond, ...options });

/** Executes an operation, and reads its parts as `[label, path, data, codes of errors]`. */
async function run(text: string, options: Partial<TestExecutorOptions> = {}, variables = {}) {
  const executor = open(options);
  const result = await executor.executeInParts(text, variables);
  const primary = JSON.parse(result.dataJson);
  const { chunks } = await mergeParts(result);
  return {
    primary,
    errors: (result.errors ?? []).map(({ path }) => path?.join('.')),
    parts: chunks.flat().map(({ label, path, dataJson, errors }) => ({
      ...(label !== null && { label }),
      path: path.join('.'),
      data: JSON.parse(dataJson),
      ...(errors.length > 0 && { errors: errors.map(({ path, extensions }) => [path?.join('.'), extensions.code]) }),
    })),
    sent: executor.sent.map(({ subgraph }) => subgraph),
  };
}

const failing =
  (subgraph: string): Respond =>
  (request) =>
    request.subgraph === subgraph
      ? { data: null, errors: [{ message: 'no', extensions: { code: 'CLOSED' } }] }
      : respond(request);

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

describe('executor: errors with @defer', () => {
  it('of a deferred request are in its parts', async () => {
    const { primary, errors, parts } = await run('{ best { id ... @defer { stock } ... @defer { owner { name } } } }', {
      respond: failing('store'),
    });
    expect(primary).toEqual({ best: { id: '1' } });
    expect(errors).toEqual([]);
    expect(parts).toEqual(
      expect.arrayContaining([
        // `stock` is non-null. Its error makes the fragment null, but not the object `best`.
        { path: 'best', data: null, errors: [[undefined, 'CLOSED']] },
        { path: 'best', data: { owner: { name: 'Ann' } } },
      ]),
    );
  });

  it('are in the part of their path', async () => {
    const oneFails: Respond = (request) =>
      request.subgraph === 'store'
        ? {
            data: { _entities: [{ stock: 3 }, null] },
            errors: [{ message: 'no', path: ['_entities', 1, 'stock'], extensions: { code: 'CLOSED' } }],
          }
        : respond(request);
    const { parts } = await run('{ items { ... @defer { stock } } }', { respond: oneFails });
    expect(parts).toEqual([
      { path: 'items.0', data: { stock: 3 } },
      { path: 'items.1', data: null, errors: [['items.1.stock', 'CLOSED']] },
    ]);
  });

  it('of a deferred field that the primary request fetches are in its part', async () => {
    const colourless: Respond = () => ({
      data: { best: { ...item('1'), details: { text: 'large', colour: null } } },
      errors: [{ message: 'no', path: ['best', 'details', 'colour'], extensions: { code: 'CLOSED' } }],
    });
    const { errors, parts } = await run('{ best { details { text ... @defer { colour } } } }', { respond: colourless });
    expect(errors).toEqual([]);
    expect(parts).toEqual([
      { path: 'best.details', data: { colour: null }, errors: [['best.details.colour', 'CLOSED']] },
    ]);
  });

  it('report a deferred value that does not fit its field', async () => {
    const wrong: Respond = (request) =>
      request.subgraph === 'store' ? { data: { _entities: [{ stock: 'many' }] } } : respond(request);
    const { parts } = await run('{ best { ... @defer { stock } } }', { respond: wrong });
    expect(parts).toEqual([{ path: 'best', data: null, errors: [['best.stock', 'SUBGRAPH_INVALID_RESPONSE']] }]);
  });

  it('do not change what another part has', async () => {
    // The second request for `best` fails completely, with null for the object that the first request returned.
    let calls = 0;
    const second: Respond = () => {
      calls += 1;
      return calls === 1
        ? { data: { best: { id: '1' } } }
        : { data: { best: null }, errors: [{ message: 'no', path: ['best', 'name'], extensions: { code: 'CLOSED' } }] };
    };
    const { primary, errors, parts } = await run('{ best { id } ... @defer { best { name } } }', { respond: second });
    expect(primary).toEqual({ best: { id: '1' } });
    expect(errors).toEqual([]);
    expect(parts).toEqual([{ path: '', data: { best: null }, errors: [['best.name', 'CLOSED']] }]);
  });

  it('report a list that changed between the requests of two parts', async () => {
    let calls = 0;
    const growing: Respond = () => {
      calls += 1;
      const entry = calls === 1 ? { id: '1' } : { details: { colour: 'red' } };
      return { data: { items: Array.from({ length: calls }, () => entry) } };
    };
    const text = '{ items { id } ... @defer { items { details { colour } } } }';
    const { primary, parts } = await run(text, { respond: growing });
    expect(primary).toEqual({ items: [{ id: '1' }] });
    expect(parts).toEqual([
      { path: '', data: { items: [{ details: null }] }, errors: [[undefined, 'SUBGRAPH_INVALID_RESPONSE']] },
    ]);
  });

  it('of an unauthorised field are in its part', async () => {
    const shop = `${subgraphs.shop} extend type Item { price: Int @authenticated }`;
    const { primary, errors, parts } = await run('{ items { id ... @defer { price shelf } } }', {
      subgraphs: { ...subgraphs, shop },
    });
    expect(primary).toEqual({ items: [{ id: '1' }, { id: '2' }] });
    expect(errors).toEqual([]);
    expect(parts).toEqual([
      {
        path: 'items.0',
        data: { price: null, shelf: 'shelf of 1' },
        errors: [['items.@.price', 'UNAUTHORIZED_FIELD_OR_TYPE']],
      },
      { path: 'items.1', data: { price: null, shelf: 'shelf of 2' } },
    ]);
  });

  it('refuse an operation whose labels alone exceed the limit of a response', async () => {
    const maxBytes = 10_000;
    const limit = {
      maxBytes,
      exceed() {
        throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
      },
    };
    const many: Respond = () => ({ data: { items: Array.from({ length: 100 }, () => item('1')) } });
    const operation = `{ items { id ... @defer(label: "${'x'.repeat(200)}") { details { text } } } }`;
    await expect(open({ respond: many }).executeInParts(operation, {}, limit)).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
    });
  });

  it('end the parts if all together exceed the limit of a response', async () => {
    const maxBytes = 200;
    const limit = {
      maxBytes,
      exceed() {
        throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
      },
    };
    const text = 'x'.repeat(100);
    const long: Respond = (request) =>
      request.subgraph === 'store' ? { data: { _entities: [{ shelf: text, copy: text }] } } : respond(request);
    const operation = '{ best { id ... @defer { shelf ... @defer { copy: shelf } } } }';
    const result = await open({ respond: long }).executeInParts(operation, {}, limit);
    expect(result.dataJson).toBe('{"best":{"id":"1"}}');
    await expect(mergeParts(result)).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
      details: { limit: 'MAX_RESPONSE_BYTES' },
    });
  });
});

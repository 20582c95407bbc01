import { describe, expect, it } from 'vitest';
import { tooComplex } from '../request/limits.ts';
import { item, open, type Respond, respond, run, subgraphs } from '../testing/operations/deferred-items.ts';
import { mergeParts } from '../testing/operations/merge-parts.ts';

const failing =
  (subgraph: string): Respond =>
  (request) =>
    request.subgraph === subgraph
      ? { data: null, errors: [{ message: 'no', extensions: { code: 'CLOSED' } }] }
      : respond(request);

describe('executor: errors with @defer', () => {
  it('of a deferred request are in its parts', async () => {
    const { primary, errors, parts } = await run('{ best { id ... @defer { stock } ... @defer { owner { name } } } }', {
      respond: failing('store'),
    });
    expect(primary).toEqual({ best: { id: '1' } });
    expect(errors).toEqual([]);
    expect(parts).toEqual(
      expect.arrayContaining([
        // `stock` is non-null, so its error makes the data of the whole fragment null. The object `best` keeps its
        // other fields.
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
    // The first request returns the object `best`. The second request returns an error, and null for the same object.
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

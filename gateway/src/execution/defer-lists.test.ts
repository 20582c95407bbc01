import { describe, expect, it } from 'vitest';
import { open, type Respond } from '../testing/operations/deferred-items.ts';

describe('executor: @defer in long lists', () => {
  // Regression: both cases took more than linear time, and blocked the event loop for many seconds.
  const length = 60_000;
  const maxMs = 4_000;

  it('has an error of one entry in its part', { timeout: maxMs }, async () => {
    const oneFails: Respond = ({ query }) =>
      query.includes('_entities')
        ? {
            data: { _entities: Array.from({ length }, (_, index) => (index === 5 ? null : { shelf: 'a' })) },
            errors: [{ message: 'no', path: ['_entities', 5, 'shelf'], extensions: { code: 'CLOSED' } }],
          }
        : { data: { items: Array.from({ length }, (_, index) => ({ __typename: 'Item', id: String(index) })) } };
    const result = await open({ respond: oneFails }).executeInParts('{ items { id ... @defer { shelf } } }');
    const failed: unknown[] = [];
    for await (const { parts } of result.deferred?.chunks ?? [])
      for (const { path, errors } of parts) if (errors.length > 0) failed.push(path);
    expect(failed).toEqual([['items', 5]]);
  });

  it('omits the parts of entries that became null', { timeout: maxMs }, async () => {
    const half = length / 2;
    const halfNamed: Respond = () => ({
      data: { items: Array.from({ length }, (_, index) => ({ id: String(index), name: index < half ? 'a' : null })) },
    });
    const result = await open({ respond: halfNamed }).executeInParts(
      '{ items { name ... @defer { details { text } } } }',
    );
    let count = 0;
    for await (const { parts } of result.deferred?.chunks ?? []) count += parts.length;
    expect(count).toBe(half);
  });
});

import fc from 'fast-check';
import { buildSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import { readTopicFields } from './topic-directive.ts';

const literal = fc.oneof(
  fc.constantFrom('""', 'null', '7', '[]', '{}', 'true', 'RED', '"items"', '"nothing"', '"__proto__"', '"constructor"'),
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
);
const argument = fc.tuple(fc.constantFrom('name', 'match', 'claim', 'replay'), literal);
const uses = fc.uniqueArray(argument, { selector: ([name]) => name });
const type = fc.constantFrom('String', 'Item', 'Edge!', '[Edge]', 'Connection', 'Either');
const parameters = fc.constantFrom(
  '',
  '(first: Int)',
  '(first: Int, after: String)',
  '(first: Int!, after: String, of: ID!)',
);

/** Generates supergraphs whose Subscription fields have arbitrary `@topic` directives. */
const supergraph = fc
  .record({ uses, type, items: type, parameters, strict: fc.boolean(), edges: fc.boolean() })
  .map(({ uses, type, items, parameters, strict, edges }) => {
    const bang = strict ? '!' : '';
    const input = uses.map(([name, value]) => `${name}: ${value}`).join(', ');
    return `
      directive @topic(name: String${bang}, match: String${bang}, claim: String${bang}, replay: String) on FIELD_DEFINITION
      type Query { items${parameters}: ${items} }
      type Subscription { plain: String happened: ${type} @topic${input && `(${input})`} }
      type Item { id: ID storedThrough: [Position!] }
      type Edge { cursor: String node: Item }
      type Connection { ${edges ? 'edges: [Edge]' : ''} pageInfo: String storedThrough: [Position!] }
      type Position { topic: String partition: Int position: String }
      union Either = Item | Edge
    `;
  });

describe('topic directive', () => {
  it('is read completely, or is an error that names its field', () => {
    let served = 0;
    fc.assert(
      fc.property(supergraph, (sdl) => {
        const schema = buildSchema(sdl, { assumeValid: true, assumeValidSDL: true });
        let fields: ReturnType<typeof readTopicFields>;
        try {
          fields = readTopicFields(schema);
        } catch (error) {
          expect(String(error)).toContain('Subscription.happened');
          return;
        }
        served += 1;
        const field = fields.get('happened');
        expect([...fields.keys()]).toEqual(['happened']);
        for (const text of [field?.topic, field?.match, field?.claim])
          expect(text).toEqual(expect.stringMatching(/./su));
        expect(field?.isEdge).toBe(/type Subscription .* happened: \[?Edge/.test(sdl));
        if (field?.replay)
          expect([...field.replay.arguments.keys()]).toEqual(expect.arrayContaining(['first', 'after']));
      }),
      {
        numRuns: 2_000,
        examples: [
          [
            `directive @topic(name: String!, match: String!, claim: String!, replay: String) on FIELD_DEFINITION
             type Query { items(first: Int, after: String): Connection }
             type Subscription { happened: Edge @topic(name: "t", match: "m", claim: "c", replay: "items") }
             type Edge { cursor: String node: Item } type Item { id: ID }
             type Connection { edges: [Edge] pageInfo: String }`,
          ],
        ],
      },
    );
    // At least one generated supergraph must be valid. Otherwise the test would check only refusals.
    expect(served).toBeGreaterThan(0);
  });
});

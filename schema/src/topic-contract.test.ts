import { expect, it } from 'vitest';
import { z } from 'zod';
import { subgraphNames, subgraphSdl } from './sdl.ts';
import { topicFieldFaults, type ValueSchema } from './topic-contract.ts';
import { topics } from './topics.ts';

const sdl = `
  directive @topic(name: String!, match: String!, claim: String!, replay: String) on FIELD_DEFINITION
  type Subscription {
    moved(parcel: ID, after: String): MoveEdge! @topic(name: "moves", match: "customer", claim: "sub")
  }
  type MoveEdge { cursor: String! node: Move! }
  type Move { id: ID! parcel: ID! customer: String! note: String recipient: Person }
  type Person { id: ID! }
`;
const whole = z.object({
  id: z.string(),
  parcel: z.string(),
  customer: z.string(),
  note: z.string().nullable(),
  recipient: z.object({ id: z.string() }),
});
const faultsOf = (value: ValueSchema) => topicFieldFaults(sdl, { moves: value });

it('topic contract: accepts a value with all fields of its type', () => {
  expect(faultsOf(whole)).toEqual([]);
});

it.each([
  ['lacks a field', whole.omit({ note: true }), 'lacks Move.note'],
  ['lacks a reference’s key', whole.extend({ recipient: z.object({}) }), 'lacks Person.id'],
  ['may leave a non-null field null', whole.extend({ id: z.string().nullable() }), 'may leave Move.id null'],
  ['may leave a non-null field out', whole.extend({ id: z.string().optional() }), 'may leave Move.id null'],
  ['lacks the field to match by', whole.omit({ customer: true }), 'has no customer to match by'],
  ['lacks an argument', whole.omit({ parcel: true }), 'has no parcel, which is an argument'],
])('topic contract: reports a value that %s', (_what, value, fault) => {
  expect(faultsOf(value).join('\n')).toContain(fault);
});

it('topic contract: reports an unknown topic', () => {
  expect(topicFieldFaults(sdl, {})).toEqual(['Subscription.moved: there is no topic moves']);
});

it('topic contract: accepts our own topic-fed fields', () => {
  const values = Object.fromEntries(Object.values(topics).map(({ name, schema }) => [name, schema as ValueSchema]));
  expect(subgraphNames.flatMap((name) => topicFieldFaults(subgraphSdl(name), values))).toEqual([]);
});

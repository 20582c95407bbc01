import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { deferRule } from './defer-rules.ts';

const schema = buildSchema(`
  directive @defer(label: String, if: Boolean! = true) on FRAGMENT_SPREAD | INLINE_FRAGMENT
  type Query { me: User }
  type Mutation { me: User }
  type Subscription { me: User }
  type User { id: ID  friend: User }
`);
const faultsOf = (text: string) => validate(schema, parse(text), [deferRule]).map(({ message }) => message);

describe('validation of @defer: allows', () => {
  it.each([
    '{ ... @defer { me { id ... @defer { friend { id } } } } }',
    '{ me { ... @defer(label: "a") { id } ...F @defer(label: "b") } } fragment F on User { id }',
    '{ me { ...F ...F } } fragment F on User { ... @defer(label: "a") { id } }',
    'mutation { me { ... @defer { id } } }',
    'subscription($on: Boolean!) { me { ... @defer(if: $on) { id } ... @defer(if: false) { id } } }',
    '{ me { ... @defer(label: null) { id } } }',
  ])('%s', (text) => {
    expect(faultsOf(text)).toEqual([]);
  });
});

describe('validation of @defer: refuses', () => {
  it.each([
    ['query($a: String) { me { ... @defer(label: $a) { id } } }', 'must be a static string'],
    ['{ me { ... @defer(label: "a") { id } ...F @defer(label: "a") } } fragment F on User { id }', 'must be unique'],
    ['mutation { ... @defer { me { id } } }', 'cannot be used on root mutation type "Mutation"'],
    ['mutation { ...F } fragment F on Mutation { ... @defer { me { id } } }', 'root mutation type "Mutation"'],
    ['subscription { me { ... @defer { id } } }', 'not supported on subscription operations'],
    [
      'subscription { me { ...F } } fragment F on User { ... @defer(if: true) { id } }',
      'not supported on subscription',
    ],
  ])('%s', (text, fault) => {
    expect(faultsOf(text)).toEqual([expect.stringContaining(fault)]);
  });
});

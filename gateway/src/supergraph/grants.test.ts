import { expect, it } from 'vitest';
import { readGrants } from './grants.ts';

const rules = { scopes: new Set(['a', 'b']), policies: new Set(['p']) };
const nobody = { authenticated: false, scopes: [], policies: [] };

it.each([
  [null, nobody],
  [{}, { authenticated: true }],
  [{ scope: ' b a  a unknown' }, { authenticated: true, scopes: ['a', 'b'] }],
  [{ scope: ['b', 1, 'a b'] }, { authenticated: true, scopes: ['b'] }],
  [{ scope: { a: true } }, { authenticated: true }],
  [{ policies: ['p', 'q'] }, { authenticated: true, policies: ['p'] }],
])('grants: the claims %j give %j', (claims, expected) => {
  expect(readGrants(rules, { scopes: 'scope', policies: 'policies' }, claims)).toEqual({ ...nobody, ...expected });
});

it('grants: without a claim for policies there are none', () => {
  expect(readGrants(rules, { scopes: 'scope', policies: null }, { null: 'p', policies: ['p'] }).policies).toEqual([]);
});

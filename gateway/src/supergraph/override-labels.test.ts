import { composeServices } from '@apollo/composition';
import { parse } from 'graphql';
import { expect, it } from 'vitest';
import { readOverrides } from './override-labels.ts';
import { readSupergraph } from './read-supergraph.ts';

const link =
  'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@override", "@shareable"])';
const { supergraphSdl = '' } = composeServices(
  [
    ['a', 'type Query { one: Int two: Int three: Int }'],
    [
      'b',
      `type Query {
        one: Int @override(from: "a", label: "percent(10)")
        two: Int @override(from: "a", label: "percent(50.5)")
        three: Int @override(from: "a", label: "team:next")
      }`,
    ],
  ].map(([name = '', sdl]) => ({ name, url: `http://${name}`, typeDefs: parse(link + sdl) })),
);

it.each([
  [0.05, [], ['percent(10)', 'percent(50.5)']],
  [0.1, [], ['percent(50.5)']],
  [0.504, [], ['percent(50.5)']],
  [0.505, [], []],
  [0.9, ['team:next', 'percent(10)', 'unknown'], ['percent(10)', 'team:next']],
])('override labels: at %d with %j on, %j are on', (random, labels, expected) => {
  expect(readOverrides(readSupergraph(supergraphSdl), { labels, random: () => random })()).toEqual(expected);
});

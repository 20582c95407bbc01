import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import fc from 'fast-check';
import { parse, print, stripIgnoredCharacters } from 'graphql';
import { expect, it } from 'vitest';
import { subgraphNames } from './subgraph-names.ts';

it.each([
  ['as composed', (sdl: string) => sdl],
  ['printed otherwise', (sdl: string) => print(parse(sdl))],
  ['on one line', stripIgnoredCharacters],
  [
    'with its arguments the other way round',
    (sdl: string) => sdl.replaceAll(/(name: "[^"]*"), (url: "[^"]*")/g, '$2, $1'),
  ],
  ['with others in a comment', (sdl: string) => `# @join__graph(name: "other", url: "x")\n${sdl}`],
])('subgraph names: are read of a supergraph %s', (_how, write) => {
  expect(subgraphNames(write(supergraphSdl())).sort()).toEqual(['delivery', 'user', 'voucher']);
});

it('subgraph names: are none of what is no supergraph', () => {
  expect(subgraphNames('type Query { a: Int }')).toEqual([]);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      expect(subgraphNames(text)).toEqual([]);
    }),
  );
});

it('subgraph names: are those of every graph, whatever they are called', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme' })), (names) => {
      const graphs = names.map((name, index) => `G${index} @join__graph(name: ${JSON.stringify(name)}, url: "")`);
      expect(
        subgraphNames(`enum join__Graph { NONE ${graphs.join('\n')} } enum Other { A @join__graph(name: "x") }`),
      ).toEqual(names);
    }),
  );
});

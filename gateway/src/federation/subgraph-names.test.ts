import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import fc from 'fast-check';
import { parse, print, stripIgnoredCharacters } from 'graphql';
import { describe, expect, it } from 'vitest';
import { subgraphNames } from './subgraph-names.ts';

describe('subgraph names', () => {
  it.each([
    ['as composed', (sdl: string) => sdl],
    ['printed in another way', (sdl: string) => print(parse(sdl))],
    ['on one line', stripIgnoredCharacters],
    [
      'with its arguments in reverse order',
      (sdl: string) => sdl.replaceAll(/(name: "[^"]*"), (url: "[^"]*")/g, '$2, $1'),
    ],
    ['with others in a comment', (sdl: string) => `# @join__graph(name: "other", url: "x")\n${sdl}`],
  ])('are read from a supergraph %s', (_how, write) => {
    expect(subgraphNames(write(supergraphSdl())).sort()).toEqual(['delivery', 'user', 'voucher']);
  });

  it('are empty for an invalid supergraph', () => {
    expect(subgraphNames('type Query { a: Int }')).toEqual([]);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        expect(subgraphNames(text)).toEqual([]);
      }),
    );
  });

  it('may be any text', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme' })), (names) => {
        const graphs = names.map((name, index) => `G${index} @join__graph(name: ${JSON.stringify(name)}, url: "")`);
        expect(
          subgraphNames(`enum join__Graph { NONE ${graphs.join('\n')} } enum Other { A @join__graph(name: "x") }`),
        ).toEqual(names);
      }),
    );
  });
});

import { readFileSync, writeFileSync } from 'node:fs';
import { composeSupergraph } from './compose.ts';
import { supergraphFile } from './sdl.ts';

// `npm run compose:schema` writes the supergraph; with --check it only tells whether it is stale.
const composed = composeSupergraph();
if (!process.argv.includes('--check')) {
  writeFileSync(supergraphFile, composed);
  process.stdout.write('schema/supergraph.graphql is written\n');
} else if (readFileSync(supergraphFile, 'utf8') !== composed) {
  process.stderr.write('schema/supergraph.graphql is stale: run npm run compose:schema\n');
  process.exit(1);
}

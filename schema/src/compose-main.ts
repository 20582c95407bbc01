import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { undeclaredBreakingChanges } from './breaking-changes.ts';
import { composeSupergraph } from './compose.ts';
import { subgraphNames, subgraphSdl, supergraphFile } from './sdl.ts';
import { topicFieldFaults } from './topic-contract.ts';
import { topics } from './topics.ts';

// Entry of `npm run compose:schema`, which writes the supergraph. The command fails on an undeclared breaking change.
// It also fails if the messages of an `@topic` field lack a field of its GraphQL type. With --check the command writes
// nothing, and also fails if the committed supergraph is stale.
const composed = composeSupergraph();
const committed = existsSync(supergraphFile) ? readFileSync(supergraphFile, 'utf8') : composed;
const values = Object.fromEntries(
  Object.values(topics).flatMap(({ name, schema }) => ('shape' in schema ? [[name, schema]] : [])),
);
const faults = [
  ...subgraphNames.flatMap((name) => topicFieldFaults(subgraphSdl(name), values).map((fault) => `${name}: ${fault}`)),
  ...undeclaredBreakingChanges(committed, composed).map(
    (change) => `breaks clients: ${change} Declare it in schema/breaking-changes.json if it is meant.`,
  ),
];
if (process.argv.includes('--check') && committed !== composed)
  faults.push('schema/supergraph.graphql is stale: run npm run compose:schema');
if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`);
  process.exit(1);
}
if (!process.argv.includes('--check')) {
  writeFileSync(supergraphFile, composed);
  process.stdout.write('schema/supergraph.graphql is written\n');
}

import { readFileSync, writeFileSync } from 'node:fs';
import { Supergraph } from '@apollo/federation-internals';
import { codegen } from '@graphql-codegen/core';
import * as typedDocuments from '@graphql-codegen/typed-document-node';
import * as operationTypes from '@graphql-codegen/typescript-operations';
import { parse, printSchema } from 'graphql';

// `npm run codegen -w @voucher-gateway/web` writes the types of the page's operations. With --check the command writes
// nothing, and fails if the committed file is stale.
const file = new URL('src/graphql/generated.ts', import.meta.url);
const supergraph = Supergraph.build(readFileSync(new URL('../schema/supergraph.graphql', import.meta.url), 'utf8'));
const document = parse(readFileSync(new URL('src/graphql/operations.graphql', import.meta.url), 'utf8'));
const generated = await codegen({
  filename: file.pathname,
  schema: parse(printSchema(supergraph.apiSchema().toGraphQLJSSchema())),
  documents: [{ location: 'operations.graphql', document }],
  config: {
    scalars: { ID: 'string', DateTime: 'string' },
    enumType: 'string-literal',
    useTypeImports: true,
    dedupeFragments: true,
    skipTypename: true,
  },
  plugins: [{ operations: {} }, { documents: {} }],
  pluginMap: { operations: operationTypes, documents: typedDocuments },
});
const text = `/* Written by npm run codegen: do not edit. */\n${generated}`;
if (!process.argv.includes('--check')) writeFileSync(file, text);
else if (readFileSync(file, 'utf8') !== text) {
  process.stderr.write('web/src/graphql/generated.ts is stale: run npm run codegen -w @voucher-gateway/web\n');
  process.exitCode = 1;
}

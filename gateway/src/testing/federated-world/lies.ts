import { type DocumentNode, execute, type GraphQLSchema } from 'graphql';
import type { SubgraphResponse } from '../../execution/subgraph/subgraph-response.ts';
import { hash } from './values.ts';

/** Values that are invalid for most fields of the generated supergraphs. */
const wrongValues: readonly string[] = [
  '{}',
  '[]',
  '[[]]',
  '{"__proto__":{"id":"x"},"constructor":7,"__typename":"Person"}',
  '{"__typename":"Nothing","id":7}',
  '{"__typename":["Person"]}',
  '9007199254740993',
  '-1.5',
  '"a text"',
  'null',
  'false',
];

/** Replaces about one in `oneIn` values of a response with a wrong value. */
export function tellLies(response: SubgraphResponse, seed: number, oneIn: number): SubgraphResponse {
  let position = 0;
  const lie = (value: unknown): unknown => {
    const number = hash(seed, position++);
    if (number % oneIn === 0) return JSON.parse(wrongValues[(number >>> 8) % wrongValues.length] as string);
    if (Array.isArray(value)) return value.map(lie);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, lie(entry)]));
  };
  const data =
    response.data && Object.fromEntries(Object.entries(response.data).map(([key, value]) => [key, lie(value)]));
  return { ...response, data };
}

/**
 * Executes the operation with graphql-js, with `data` as the root value. The result equals `data` if types, nulls and
 * the order of keys follow the specification.
 */
export async function completeBySpecification(
  schema: GraphQLSchema,
  document: DocumentNode,
  variableValues: Record<string, unknown>,
  data: unknown,
): Promise<unknown> {
  const result = await execute({
    schema,
    document,
    variableValues,
    rootValue: data,
    fieldResolver: (source: unknown, _args, _context, { path }) => {
      const own = source as Record<string, unknown>;
      return Object.hasOwn(own, path.key) ? own[path.key] : undefined;
    },
    typeResolver: (value) => (value as { __typename?: string }).__typename,
  });
  return result.data;
}

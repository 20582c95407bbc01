import { createTestExecutor, type SentRequest, type TestExecutorOptions } from './executor.ts';
import { mergeParts } from './merge-parts.ts';

export const subgraphs = {
  shop: `
    type Query { items: [Item] best: Item sure: Item! }
    type Mutation { buy: Item }
    type Item @key(fields: "id") { id: ID! name: String! details: Details owner: Owner }
    type Details { text: String! colour: String }
    type Owner @key(fields: "id") { id: ID! }
  `,
  store: 'type Item @key(fields: "id") { id: ID! stock: Int! shelf: String }',
  people: 'type Owner @key(fields: "id") { id: ID! name: String }',
};

export const item = (id: string) => ({
  __typename: 'Item',
  id,
  name: `item ${id}`,
  details: { text: 'large', colour: 'red' },
  owner: { __typename: 'Owner', id: 'ann' },
});

export type Respond = TestExecutorOptions['respond'];

/** Answers requests to all subgraphs. A response has all fields of the subgraph, even those that were not requested. */
export const respond: Respond = ({ subgraph, query, variables }: SentRequest) => {
  if (!query.includes('_entities'))
    return { data: { items: [item('1'), item('2')], best: item('1'), sure: item('1'), buy: item('1') } };
  const entity = (id: string) =>
    subgraph === 'shop' ? item(id) : subgraph === 'store' ? { stock: 3, shelf: `shelf of ${id}` } : { name: 'Ann' };
  return { data: { _entities: (variables.representations as { id: string }[]).map(({ id }) => entity(id)) } };
};

/** Creates an executor for three subgraphs with items and their owners. */
export const open = (options: Partial<TestExecutorOptions> = {}) =>
  createTestExecutor({ subgraphs, respond, ...options });

/** Executes an operation, and reads its parts. Each error of a part is a pair of its path and its code. */
export async function run(text: string, options: Partial<TestExecutorOptions> = {}, variables = {}) {
  const executor = open(options);
  const result = await executor.executeInParts(text, variables);
  const primary = JSON.parse(result.dataJson);
  const { chunks } = await mergeParts(result);
  return {
    primary,
    errors: (result.errors ?? []).map(({ path }) => path?.join('.')),
    parts: chunks.flat().map(({ label, path, dataJson, errors }) => ({
      ...(label !== null && { label }),
      path: path.join('.'),
      data: JSON.parse(dataJson),
      ...(errors.length > 0 && { errors: errors.map(({ path, extensions }) => [path?.join('.'), extensions.code]) }),
    })),
    sent: executor.sent.map(({ subgraph }) => subgraph),
  };
}

import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  parse,
  print,
  type SelectionNode,
  stripIgnoredCharacters,
  type VariableDefinitionNode,
  visit,
} from 'graphql';
import type { EntityFetch, Step } from '../steps/steps.ts';
import { groupByContext } from './context-values.ts';
import { EntityBatch } from './entity-batch.ts';
import { compileEntityFetch, fetchBatches } from './fetch-entities.ts';
import { compileRequest, type WriteRequest } from './request-body.ts';
import type { Run } from './run.ts';

/**
 * Maximum number of cached request texts. Requests with different numbers of `_entities` fields have different texts.
 */
const maxKept = 20;

/**
 * Compiles a step whose fields have arguments from their context (`@fromContext`). Entities with the same argument
 * values share one `_entities` field. One request contains all these `_entities` fields.
 */
export function compileContextStep(schema: GraphQLSchema, step: Step, [entity]: readonly EntityFetch[]) {
  const { subgraph, context, query } = step;
  const fetch = compileEntityFetch(schema, entity as EntityFetch, step);
  const [target] = fetch.targets;
  if (!context || !target) throw new Error('the step has no context');
  const contextual = new Set(context.map(({ renameKeyTo }) => renameKeyTo));
  const repeat = createRepeater(parse(query, { noLocation: true }), contextual);
  const kept = new Map<number, WriteRequest>();
  const writeRequestOf = (groups: number): WriteRequest => {
    const write = kept.get(groups) ?? compileRequest({ ...step, query: groups === 1 ? query : repeat(groups) });
    if (kept.size < maxKept) kept.set(groups, write);
    return write;
  };

  return (run: Run): Promise<void> => {
    const groups = groupByContext(schema, context, run.data, target.path);
    const nameOf = (name: string, index: number) => (groups.length === 1 ? name : `${name}_${index}`);
    const batches = groups.map(
      ({ objects }, index) =>
        new EntityBatch(
          { ...fetch, key: nameOf(fetch.key, index), variable: nameOf(fetch.variable, index) },
          run,
          objects,
        ),
    );
    const lists = () =>
      batches.flatMap((batch, index) => [
        [batch.fetch.variable, batch.json] as const,
        ...(groups[index]?.values ?? []).map(([variable, json]) => [nameOf(variable, index), json] as const),
      ]);
    return fetchBatches(schema, run, subgraph, batches, () => writeRequestOf(groups.length)(run.variables, lists()));
  };
}

/**
 * Creates a function that writes the text of an entity fetch. The text has `times` fields: `_entities_0`, `_entities_1`
 * and so on. Each of these fields has its own variables.
 */
function createRepeater(document: DocumentNode, contextual: ReadonlySet<string>): (times: number) => string {
  const { definitions } = document;
  const operation = definitions.find((node) => node.kind === Kind.OPERATION_DEFINITION) as OperationDefinitionNode;
  const expanded = expandFragments(operation, definitions);
  const [entities] = expanded.selectionSet.selections;
  const isOwn = (name: string) => name === 'representations' || contextual.has(name);
  const rename = <T extends SelectionNode | VariableDefinitionNode>(node: T, index: number): T =>
    visit(node, {
      Variable: ({ name, ...rest }) =>
        isOwn(name.value) ? { ...rest, name: { ...name, value: `${name.value}_${index}` } } : undefined,
    });
  const { variableDefinitions = [] } = expanded;
  return (times) => {
    const indexes = Array.from({ length: times }, (_, index) => index);
    const repeated: OperationDefinitionNode = {
      ...expanded,
      variableDefinitions: variableDefinitions.flatMap((definition) =>
        isOwn(definition.variable.name.value) ? indexes.map((index) => rename(definition, index)) : [definition],
      ),
      selectionSet: {
        kind: Kind.SELECTION_SET,
        selections: indexes.map(
          (index) =>
            ({
              ...rename(entities as SelectionNode, index),
              alias: { kind: Kind.NAME, value: `_entities_${index}` },
            }) as SelectionNode,
        ),
      },
    };
    return stripIgnoredCharacters(print(repeated));
  };
}

/**
 * Replaces fragment spreads with their selections. Each `_entities` field needs its own variables, but a fragment uses
 * the same variables wherever it is spread.
 */
function expandFragments(
  operation: OperationDefinitionNode,
  definitions: DocumentNode['definitions'],
): OperationDefinitionNode {
  const fragments = new Map(
    definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  if (fragments.size === 0) return operation;
  return visit(operation, {
    FragmentSpread({ name, directives }): SelectionNode | undefined {
      const fragment = fragments.get(name.value);
      if (!fragment) return undefined;
      const { typeCondition, selectionSet } = fragment;
      return { kind: Kind.INLINE_FRAGMENT, typeCondition, ...(directives && { directives }), selectionSet };
    },
  });
}

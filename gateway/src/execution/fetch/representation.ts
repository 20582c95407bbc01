import type { FetchDataRewrite, QueryPlanSelectionNode } from '@apollo/query-planner';
import type { GraphQLSchema } from 'graphql';
import { type Data, isData, isInherited, mergeData, readOwn, setOwn } from '../data/data.ts';
import { writeString } from '../response/leaf-writers.ts';
import { applyRewrites, isOfType } from './rewrites.ts';

/** Returns the JSON text of an entity's representation; null if the entity lacks a field that the subgraph needs. */
export type Represent = (entity: Data) => string | null;

type Requires = readonly QueryPlanSelectionNode[];

/**
 * Compiles `requires`, the fields that a fetch needs in its representations. `requires` consists of inline fragments
 * with type conditions. A fragment's fields are in the representation if its type matches the entity, and the entity
 * has all these fields.
 *
 * @param schema the supergraph
 */
export function compileRepresentation(
  schema: GraphQLSchema,
  requires: Requires,
  rewrites: readonly FetchDataRewrite[] | undefined,
): Represent {
  const ofType = new Map<string, Represent>();
  return (entity) => {
    const { __typename: typeName } = entity;
    if (typeof typeName !== 'string') return null;
    const known = ofType.get(typeName);
    if (known) return known(entity);
    const represent =
      compileFlat(schema, requires, rewrites, typeName) ??
      ((data) => representByRules(schema, requires, rewrites, data));
    // Only known types are cached, because a faulty subgraph may return any number of names.
    if (schema.getType(typeName)) ofType.set(typeName, represent);
    return represent(entity);
  };
}

/**
 * Compiles the usual case: a single fragment with leaf fields. The compiled function only concatenates texts. Returns
 * null for any other case.
 */
function compileFlat(
  schema: GraphQLSchema,
  requires: Requires,
  rewrites: readonly FetchDataRewrite[] | undefined,
  typeName: string,
): Represent | null {
  const matching = requires.filter(
    (node) =>
      node.kind === 'Field' ||
      (node.typeCondition !== undefined && isOfType(schema, { __typename: typeName }, node.typeCondition, false)),
  );
  const [fragment] = matching;
  if (rewrites?.length || matching.length !== 1 || fragment?.kind !== 'InlineFragment') return null;
  const keys = new Set<string>();
  for (const node of fragment.selections) {
    if (node.kind !== 'Field' || node.selections) return null;
    keys.add(node.alias ?? node.name);
  }
  if (!keys.has('__typename')) return () => null;
  const fields: { key: string; prefix: string; isInherited: boolean }[] = [];
  // The constant text before the next value. It may include `__typename` and its value, which is equal for all entities
  // of the type.
  let constant = '';
  for (const key of keys) {
    constant += `${constant === '' && fields.length === 0 ? '{' : ','}${JSON.stringify(key)}:`;
    if (key === '__typename') constant += JSON.stringify(typeName);
    else {
      fields.push({ key, prefix: constant, isInherited: isInherited(key) });
      constant = '';
    }
  }
  const end = `${constant}}`;
  return (entity) => {
    let text = '';
    for (const { key, prefix, isInherited } of fields) {
      const value = isInherited ? readOwn(entity, key) : entity[key];
      if (value === undefined) return null;
      text += prefix + (typeof value === 'string' ? writeString(value) : JSON.stringify(value));
    }
    return text + end;
  };
}

function representByRules(
  schema: GraphQLSchema,
  requires: Requires,
  rewrites: readonly FetchDataRewrite[] | undefined,
  entity: Data,
): string | null {
  const representation = select(schema, entity, requires);
  if (!representation || !readOwn(representation, '__typename')) return null;
  applyRewrites(schema, rewrites, representation);
  return JSON.stringify(representation);
}

/** Returns the selected fields of an object; null if the object lacks one of the fields. */
function select(schema: GraphQLSchema, source: Data, selections: Requires): Data | null {
  const selected: Data = {};
  for (const node of selections) {
    if (node.kind === 'InlineFragment') {
      if (node.typeCondition === undefined || !isOfType(schema, source, node.typeCondition, false)) continue;
      const part = select(schema, source, node.selections);
      if (part) mergeData(selected, part);
      continue;
    }
    const key = node.alias ?? node.name;
    const value = readOwn(source, key);
    if (value === undefined) return null;
    setOwn(selected, key, node.selections ? selectIn(schema, value, node.selections) : value);
  }
  return selected;
}

function selectIn(schema: GraphQLSchema, value: unknown, selections: Requires): unknown {
  if (Array.isArray(value)) return value.map((entry) => selectIn(schema, entry, selections));
  return isData(value) ? select(schema, value, selections) : null;
}

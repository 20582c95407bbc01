import {
  type GraphQLCompositeType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { isInherited } from '../data/data.ts';
import { leafWriter, typeNameWriter, type Writer, writeIntrospection, writeNothing } from './leaf-writers.ts';
import type { DeferredFragment } from './output.ts';
import type { Deferral, Selections } from './selections.ts';
import { type FieldShape, listWriter, type ObjectShape, objectWriter, writeObject } from './writers.ts';

export interface ShapesOptions {
  /** The API schema. */
  schema: GraphQLSchema;
  /**
   * Maximum number of fields in all cached shapes together. Further shapes are not cached: they are compiled for each
   * use.
   */
  maxFields: number;
}

/** Returns the shape (the compiled form) of a type for these selection sets. It is compiled when it is first needed. */
export type CompileShape = (type: GraphQLCompositeType, merged: readonly Selections[]) => ObjectShape;

export function createShapes({ schema, maxFields }: ShapesOptions): CompileShape {
  const known = new Map<string, ObjectShape>();
  const leafWriters = new Map<GraphQLLeafType, Writer>();
  let fieldCount = 0;

  const roots = new Set([schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]);
  const isRoot = (type: GraphQLCompositeType) => roots.has(type as GraphQLObjectType);

  const shapeOf: CompileShape = (type, merged) => {
    const key = `${type.name} ${merged.map(({ id }) => id).join()}`;
    const shape = known.get(key);
    if (shape) return shape;
    const { fields, deferred } = compile(type, merged);
    fieldCount += 1 + fields.length + (deferred?.length ?? 0);
    const isKept = fieldCount <= maxFields;
    const compiled = { fields, deferred, isKept };
    if (isKept) known.set(key, compiled);
    return compiled;
  };
  const compile = (type: GraphQLCompositeType, merged: readonly Selections[]) => {
    const fields: FieldShape[] = [];
    const collected = collectFields(schema, type, merged);
    for (const [key, field] of collected.fields) {
      const { name, isIntrospection, isHidden } = field;
      const dataKey = isRoot(type) ? key : field.dataKey;
      const isTypeName = name === '__typename';
      const definition = isUnionType(type) ? undefined : type.getFields()[name];
      if (!definition && !isTypeName && !isIntrospection) continue;
      fields.push({
        key,
        dataKey,
        prefix: `${fields.length === 0 ? '{' : ','}${JSON.stringify(key)}:`,
        isInherited: isInherited(dataKey),
        isNonNull: isTypeName || isNonNullType(definition?.type),
        constant: isTypeName && !isHidden && isObjectType(type) ? JSON.stringify(type.name) : null,
        write: isHidden
          ? writeNothing
          : definition
            ? writerOf(definition.type, field.merged)
            : isTypeName
              ? typeNameWriter(schema, type)
              : writeIntrospection,
      });
    }
    if (collected.deferred.length === 0) return { fields, deferred: null };
    const keys = new Set(fields.map(({ key }) => key));
    const deferred = collected.deferred.map(
      ({ deferral, selections }): DeferredFragment => ({
        ...deferral,
        adds: (key) => !keys.has(key) && shapeOf(type, [selections]).fields.some((field) => field.key === key),
        write: (data, output) => writeObject(shapeOf(type, [selections]), data, output),
      }),
    );
    return { fields, deferred };
  };
  const writerOf = (type: GraphQLOutputType, merged: readonly Selections[]): Writer => {
    if (isNonNullType(type)) return writerOf(type.ofType, merged);
    if (isListType(type)) return listWriter(writerOf(type.ofType, merged), isNonNullType(type.ofType));
    if (!isLeafType(type)) return objectWriter(schema, type, (actual) => shapeOf(actual, merged));
    const writer = leafWriters.get(type) ?? leafWriter(type);
    leafWriters.set(type, writer);
    return writer;
  };
  return shapeOf;
}

interface CollectedField {
  dataKey: string;
  name: string;
  isIntrospection: boolean;
  /**
   * Whether the field is null because the client may not see it. Merged selections are hidden only if each of them is
   * hidden.
   */
  isHidden: boolean;
  merged: Selections[];
}

/**
 * Collects the fields of an object of this type, in the order of the response, and its deferred fragments.
 *
 * @see https://spec.graphql.org/draft/#CollectFields()
 */
function collectFields(schema: GraphQLSchema, type: GraphQLCompositeType, merged: readonly Selections[]) {
  const fields = new Map<string, CollectedField>();
  const deferred: { deferral: Deferral; selections: Selections }[] = [];
  const visited = new Set<Selections>();
  const collect = (selections: Selections) => {
    if (visited.has(selections)) return;
    visited.add(selections);
    for (const item of selections.items) {
      if (item.kind === 'fragment') {
        if (!applies(schema, item.on, type)) continue;
        if (item.deferral) deferred.push({ deferral: item.deferral, selections: item.selections });
        else collect(item.selections);
        continue;
      }
      const { key, dataKey, name, introspection, isHidden } = item;
      const field = fields.get(key) ?? { dataKey, name, isIntrospection: introspection !== null, isHidden, merged: [] };
      fields.set(key, field);
      if (isHidden) continue;
      field.isHidden = false;
      if (item.selections && !field.merged.includes(item.selections)) field.merged.push(item.selections);
    }
  };
  for (const selections of merged) collect(selections);
  return { fields, deferred };
}

/** Whether a fragment applies to objects of this type. */
function applies(schema: GraphQLSchema, on: string | null, type: GraphQLCompositeType): boolean {
  if (on === null || on === type.name) return true;
  const condition = schema.getType(on);
  return isAbstractType(condition) && !isUnionType(type) && schema.isSubType(condition, type);
}

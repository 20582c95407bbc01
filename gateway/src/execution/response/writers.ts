import { type GraphQLCompositeType, type GraphQLSchema, isAbstractType, isInterfaceType, isObjectType } from 'graphql';
import { type Data, isData, readOwn } from '../data/data.ts';
import type { Writer } from './leaf-writers.ts';
import type { DeferredFragment, Output } from './output.ts';

/** A field of an object, compiled for writing. */
export interface FieldShape {
  key: string;
  /**
   * The key in the merged data. It differs from `key` if the plan has replaced the client's alias (`Plan.renamedKeys`).
   */
  dataKey: string;
  /** The text before the field's value, such as `,"name":`. */
  prefix: string;
  /** Whether plain objects inherit a property with this name, so that only an own property may be read. */
  isInherited: boolean;
  isNonNull: boolean;
  /** The JSON of the value, if it is the same for all objects; else null. */
  constant: string | null;
  write: Writer;
}

/** The compiled selections of one object type: its fields in the order of the response. */
export interface ObjectShape {
  fields: readonly FieldShape[];
  /** The object's fragments with `@defer`, which are written later; null if there are none. */
  deferred: readonly DeferredFragment[] | null;
  /** Whether the shape may be cached. It may not if the cache has reached `ShapesOptions.maxFields`. */
  isKept: boolean;
}

/** Returns the shape of objects of this type. */
export type ShapeOf = (type: GraphQLCompositeType) => ObjectShape;

/** Creates the writer for a composite type. For an abstract type, `__typename` in the data selects the shape. */
export function objectWriter(schema: GraphQLSchema, type: GraphQLCompositeType, shapeOf: ShapeOf): Writer {
  const kept = new Map<string, ObjectShape>();
  const find = (name: string): ObjectShape | null => {
    const actual = name === type.name ? type : schema.getType(name);
    const fits =
      actual === type ||
      (isAbstractType(type) && (isObjectType(actual) || isInterfaceType(actual)) && schema.isSubType(type, actual));
    const shape = fits ? shapeOf(actual as GraphQLCompositeType) : null;
    if (shape?.isKept) kept.set(name, shape);
    return shape;
  };
  return (value, output) => {
    if (isData(value)) {
      const name = value.__typename || type.name;
      const shape = typeof name === 'string' ? (kept.get(name) ?? find(name)) : null;
      if (shape) return writeObject(shape, value, output);
    }
    output.report();
    return null;
  };
}

/** Writes an object as JSON. Returns null if a non-null field has no value. */
export function writeObject({ fields, deferred }: ObjectShape, data: Data, output: Output): string | null {
  const { path, depth } = output;
  output.depth = depth + 1;
  let text = '';
  for (const field of fields) {
    path[depth] = field.key;
    output.count(field.prefix.length);
    text += field.prefix;
    if (field.constant !== null) {
      text += field.constant;
      continue;
    }
    const value = field.isInherited ? readOwn(data, field.dataKey) : data[field.dataKey];
    const isNull = value === undefined || value === null;
    const json = isNull ? null : field.write(value, output);
    if (json !== null) text += json;
    else if (field.isNonNull) {
      if (isNull) output.report();
      output.depth = depth;
      output.omitDeferred();
      return null;
    } else text += 'null';
  }
  output.depth = depth;
  if (deferred !== null) output.defer(deferred, data);
  return text === '' ? '{}' : `${text}}`;
}

/** Creates the writer for lists. */
export function listWriter(write: Writer, isNonNull: boolean): Writer {
  return (value, output) => {
    if (!Array.isArray(value)) {
      output.report();
      return null;
    }
    const { path, depth } = output;
    output.depth = depth + 1;
    output.count(2 * value.length);
    let text = '';
    for (let index = 0; index < value.length; index += 1) {
      path[depth] = index;
      const entry: unknown = value[index];
      const isNull = entry === undefined || entry === null;
      const json = isNull ? null : write(entry, output);
      if (json === null && isNonNull) {
        if (isNull) output.report();
        output.depth = depth;
        output.omitDeferred();
        return null;
      }
      text += `${index === 0 ? '[' : ','}${json}`;
    }
    output.depth = depth;
    return text === '' ? '[]' : `${text}]`;
  };
}

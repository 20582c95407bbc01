import {
  type GraphQLCompositeType,
  type GraphQLLeafType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql';
import type { Output } from './output.ts';

/**
 * Writes a value other than null as JSON. For a value of a wrong type it reports a problem to `output` and returns
 * null.
 */
export type Writer = (value: unknown, output: Output) => string | null;

const minInt = -2_147_483_648;
const maxInt = 2_147_483_647;

/** Creates the writer for a leaf type. A custom scalar allows any value. */
export function leafWriter(type: GraphQLLeafType): Writer {
  if (isEnumType(type))
    return checked((value) => (typeof value === 'string' && type.getValue(value) ? `"${value}"` : null));
  if (!isSpecifiedScalarType(type)) return checked(writeAny);
  switch (type.name) {
    case 'Int':
      return checked((value) =>
        Number.isInteger(value) && (value as number) >= minInt && (value as number) <= maxInt
          ? writeNumber(value as number)
          : null,
      );
    case 'Float':
      return checked((value) => (Number.isFinite(value) ? writeNumber(value as number) : null));
    case 'Boolean':
      return checked((value) => (typeof value === 'boolean' ? String(value) : null));
    case 'ID':
      // GraphQL serialises an ID as a string, but a subgraph may return a number.
      return checked((value) => {
        if (typeof value === 'string') return writeString(value);
        return Number.isSafeInteger(value) ? `"${value}"` : null;
      });
    default:
      return checked((value) => (typeof value === 'string' ? writeString(value) : null));
  }
}

function checked(write: (value: unknown) => string | null): Writer {
  return (value, output) => {
    const text = write(value);
    if (text === null) output.report();
    else output.count(text.length);
    return text;
  };
}

/** Writes the value of an introspection field. graphql-js has computed the value. */
export const writeIntrospection: Writer = checked(writeAny);

/**
 * Writes null for a field that the client may not see. The writer reports no problem, because `Plan.errors` already has
 * the field's error.
 */
export const writeNothing: Writer = () => null;

/**
 * Creates the writer of `__typename` for objects of an abstract type. It rejects an interface's name, which subgraphs
 * with `@interfaceObject` return.
 */
export function typeNameWriter(schema: GraphQLSchema, type: GraphQLCompositeType): Writer {
  return checked((name) => {
    const actual = typeof name === 'string' ? schema.getType(name) : undefined;
    return isAbstractType(type) && isObjectType(actual) && schema.isSubType(type, actual) ? `"${actual.name}"` : null;
  });
}

const writeNumber = (value: number) => `${value}`;

function writeAny(value: unknown): string | null {
  try {
    return JSON.stringify(value) ?? null;
  } catch (error) {
    // The value is nested so deeply that serialising it exceeded the stack.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Above this length `JSON.stringify` is faster than our scan. */
const maxScanned = 40;

/**
 * Writes a string as JSON. Most strings are short and need no escapes; for these, a scan is faster than
 * `JSON.stringify`.
 */
export function writeString(text: string): string {
  if (text.length > maxScanned) return JSON.stringify(text);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 32 || unit === 34 || unit === 92 || (unit >= 0xd800 && unit <= 0xdfff)) return JSON.stringify(text);
  }
  return `"${text}"`;
}

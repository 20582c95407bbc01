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

/** Writes a value other than null as JSON; null if it is none of its type, which it has then reported. */
export type Writer = (value: unknown, output: Output) => string | null;

const minInt = -2_147_483_648;
const maxInt = 2_147_483_647;

/** The writer of a leaf. A custom scalar may have any value. */
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
      // An ID is serialised as a string, whatever it is at the subgraph.
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

/** Writes the value of an introspection field, which graphql-js has completed. */
export const writeIntrospection: Writer = checked(writeAny);

/** Writes null for a value that the client may not see: the plan has an error for it. */
export const writeNothing: Writer = () => null;

/**
 * The writer of the type's name for objects of an abstract type. An interface object has another name at its subgraph; the
 * name of its type comes from another one, perhaps under an alias.
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
    // Nested too deeply to be written.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Longer strings are written faster by the engine. */
const maxScanned = 40;

/** Writes a string. Most are short and have nothing to escape. */
export function writeString(text: string): string {
  if (text.length > maxScanned) return JSON.stringify(text);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 32 || unit === 34 || unit === 92 || (unit >= 0xd800 && unit <= 0xdfff)) return JSON.stringify(text);
  }
  return `"${text}"`;
}

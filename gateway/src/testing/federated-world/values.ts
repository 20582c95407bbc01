import {
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
} from 'graphql';

/** Returns a number that depends on the input only. */
export function hash(...parts: unknown[]): number {
  let value = 2_166_136_261;
  for (const character of JSON.stringify(parts)) value = Math.imul(value ^ character.charCodeAt(0), 16_777_619) >>> 0;
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}

/**
 * Options of the subgraphs' data. Each value depends only on the seed, the entity and the field, so that all subgraphs
 * agree.
 */
export interface WorldOptions {
  seed: number;
  /** Of `failOneIn` fields, about one fails. 0 means that no field fails. */
  failOneIn: number;
  /** Called for each field of Mutation, in order. */
  onMutation?: (name: string) => void;
}

type Source = Record<string, unknown> | undefined;

export function createFieldResolver({
  seed,
  failOneIn,
  onMutation,
}: WorldOptions): GraphQLFieldResolver<Source, unknown> {
  return (source, args, _context, info) => {
    const { fieldName, parentType, returnType, schema } = info;
    const isRoot = ['Query', 'Mutation'].includes(parentType.name);
    if (parentType.name === 'Mutation') onMutation?.(`${fieldName} ${JSON.stringify(args)}`);
    const identity = isRoot ? 'root' : identityOf(source);
    const key = [seed, identity, fieldName, args];
    if (failOneIn > 0 && fieldName !== 'id' && hash('fail', ...key) % failOneIn === 0)
      throw new GraphQLError(`${identity}.${fieldName} fails`, { extensions: { code: 'FAILS' } });
    if (fieldName === 'shipping') return `${source?.weight} kg, ${source?.price} EUR, ${args.unit}`;
    if (source?.[fieldName] !== undefined) return source[fieldName];
    if (fieldName === 'id') return identity;
    if (fieldName === 'sku') return `sku-${identity}`;
    if (fieldName === 'region')
      return { __typename: 'Region', identity: `region of ${identity}`, code: `r-${identity}` };
    if (typeof args.id === 'string') return entity(returnType, schema, args.id) ?? generate(returnType, schema, key);
    return generate(returnType, schema, key);
  };
}

function identityOf(source: Source): string {
  return String(source?.id ?? source?.identity ?? String(source?.sku).replace('sku-', ''));
}

function entity(type: GraphQLOutputType, schema: GraphQLSchema, id: string): object | null {
  const name = id.split(':')[0] ?? '';
  return !isNonNullType(type) && isObjectType(schema.getType(name)) ? { __typename: name, id } : null;
}

function generate(type: GraphQLOutputType, schema: GraphQLSchema, key: unknown[]): unknown {
  if (isNonNullType(type)) return generateValue(type.ofType, schema, key);
  return hash('null', ...key) % 9 === 0 ? null : generateValue(type, schema, key);
}

function generateValue(type: GraphQLOutputType, schema: GraphQLSchema, key: unknown[]): unknown {
  const number = hash(...key);
  if (isListType(type))
    return Array.from({ length: number % 4 }, (_, index) => generate(type.ofType, schema, [...key, index]));
  if (isEnumType(type)) return type.getValues()[number % type.getValues().length]?.name;
  if (isScalarType(type)) {
    if (type.name === 'Int') return 1 + (number % 1_000);
    if (type.name === 'Float') return 0.5 + (number % 100);
    if (type.name === 'Boolean') return number % 2 === 0;
    return `"${number % 1_000}" é\n𝕏`.slice(0, 1 + (number % 12));
  }
  const possible: readonly GraphQLObjectType[] = isObjectType(type) ? [type] : schema.getPossibleTypes(type as never);
  const actual = possible[number % possible.length] as GraphQLObjectType;
  if (!actual.getFields().id && !actual.getFields().sku) return { __typename: actual.name, identity: key.join('/') };
  // A subgraph with `@interfaceObject` does not know the object type of an entity. So the id contains the type:
  // `Book:2`.
  const named = actual.name === 'Media' ? ['Book', 'Film'][number % 2] : actual.name;
  const id = `${named}:${hash('id', ...key) % 4}`;
  return { __typename: actual.name, ...(actual.getFields().id ? { id } : { identity: id }) };
}

import type { NamedType, Schema, Supergraph } from '@apollo/federation-internals';
import { type GraphQLSchema, getNamedType, isAbstractType, isObjectType } from 'graphql';
import { type FieldSelection, listSelected } from './selected-fields.ts';

/** What the client of a request may see. The lists are sorted, and have only names that occur in the supergraph. */
export interface Grants {
  authenticated: boolean;
  scopes: readonly string[];
  policies: readonly string[];
}

/** The requirement of one directive. The client needs all names of at least one of the inner lists. */
export type Requirement =
  | { kind: 'authenticated' }
  | { kind: 'scopes' | 'policies'; anyOf: readonly (readonly string[])[] };

/** The rules that a supergraph sets by `@authenticated`, `@requiresScopes` and `@policy`. */
export interface AccessRules {
  /** All scopes and policies that the supergraph names. */
  readonly scopes: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
  allowsType(type: string, grants: Grants): boolean;
  /** Whether a client may select a field on a type, which may be abstract. */
  allowsField(type: string, field: string, grants: Grants): boolean;
}

/** The access directives with their arguments. A supergraph may import a directive under another name. */
const specs = [
  { name: 'authenticated', kind: 'authenticated', argument: '' },
  { name: 'requiresScopes', kind: 'scopes', argument: 'scopes' },
  { name: 'policy', kind: 'policies', argument: 'policies' },
] as const;

/**
 * Reads the access rules of a supergraph; null if it has none. A field is subject to the rules of everything that its
 * value depends on:
 *
 * - the type on which the field is selected, the field itself, and the type that it returns;
 * - for an abstract type, each of its object types; for an object type, each interface that has the field;
 * - the fields that the subgraph gets by `@requires` or `@fromContext`, in order to resolve the field.
 */
export function readAccessRules({ schema: apollo }: Supergraph): AccessRules | null {
  const directives = specs.flatMap((spec) => {
    const feature = apollo.coreFeatures?.getByIdentity(`https://specs.apollo.dev/${spec.name}`);
    return feature ? [{ ...spec, name: feature.directiveNameInSchema(spec.name) }] : [];
  });
  if (directives.length === 0) return null;
  const schema = apollo.toGraphQLJSSchema();
  const own = readOwnRules(apollo, directives);
  const known = new Map<string, readonly Requirement[]>();

  /**
   * Adds the rules of a field and, recursively, of the fields that its value depends on. These dependencies may be
   * circular.
   */
  const collect = (type: string, field: string, visited: Set<string>, found: Set<Requirement>): void => {
    const key = `${type}.${field}`;
    if (visited.has(key)) return;
    visited.add(key);
    const add = (...keys: string[]) => {
      for (const each of keys) for (const requirement of own.get(each) ?? []) found.add(requirement);
    };
    add(type, key, returnType(schema, type, field));
    const interfaces = interfacesWith(schema, type, field);
    for (const each of interfaces) add(each, `${each}.${field}`);
    for (const each of objectTypesOf(schema, type)) collect(each, field, visited, found);
    // With `@interfaceObject`, a subgraph defines fields on the interface, for all its object types.
    for (const definedAt of [type, ...interfaces])
      for (const each of requiredFields(apollo, schema, definedAt, field, type))
        collect(each.type, each.field, visited, found);
  };
  const ofField = (type: string, field: string): readonly Requirement[] => {
    const key = `${type}.${field}`;
    const found = new Set<Requirement>();
    if (!known.has(key)) collect(type, field, new Set(), found);
    const requirements = known.get(key) ?? [...found];
    known.set(key, requirements);
    return requirements;
  };
  const granted = (requirements: readonly Requirement[], grants: Grants) =>
    requirements.every((requirement) => isGranted(requirement, grants));
  const named = (kind: 'scopes' | 'policies') =>
    new Set(
      [...own.values()].flat().flatMap((requirement) => (requirement.kind === kind ? requirement.anyOf.flat() : [])),
    );
  return {
    scopes: named('scopes'),
    policies: named('policies'),
    allowsType: (type, grants) => granted(own.get(type) ?? [], grants),
    allowsField: (type, field, grants) => granted(ofField(type, field), grants),
  };
}

function isGranted(requirement: Requirement, grants: Grants): boolean {
  if (requirement.kind === 'authenticated') return grants.authenticated;
  const granted = grants[requirement.kind];
  return requirement.anyOf.some((all) => all.every((name) => granted.includes(name)));
}

type Directives = readonly { name: string; kind: Requirement['kind']; argument: string }[];

/** Reads the requirements of types and fields. The key is `Type` or `Type.field`. */
function readOwnRules(schema: Schema, directives: Directives): Map<string, Requirement[]> {
  const rules = new Map<string, Requirement[]>();
  const read = (key: string, element: Pick<NamedType, 'appliedDirectivesOf'>) => {
    const requirements = directives.flatMap(({ name, kind, argument }) =>
      element
        .appliedDirectivesOf(name)
        .map(
          (applied): Requirement =>
            kind === 'authenticated' ? { kind } : { kind, anyOf: applied.arguments()[argument] as string[][] },
        ),
    );
    if (requirements.length > 0) rules.set(key, requirements);
  };
  for (const type of schema.types()) {
    read(type.name, type);
    if (type.kind !== 'ObjectType' && type.kind !== 'InterfaceType') continue;
    for (const field of type.fields()) read(`${type.name}.${field.name}`, field as never);
  }
  return rules;
}

function returnType(schema: GraphQLSchema, typeName: string, field: string): string {
  const type = schema.getType(typeName);
  const definition = type && 'getFields' in type ? type.getFields()[field] : undefined;
  return definition && 'type' in definition ? getNamedType(definition.type).name : '';
}

function objectTypesOf(schema: GraphQLSchema, typeName: string): string[] {
  const type = schema.getType(typeName);
  return isAbstractType(type) ? schema.getPossibleTypes(type).map(({ name }) => name) : [];
}

/** Lists the interfaces of an object type that have the field. */
function interfacesWith(schema: GraphQLSchema, typeName: string, field: string): string[] {
  const type = schema.getType(typeName);
  if (!isObjectType(type)) return [];
  return type
    .getInterfaces()
    .filter((each) => Object.hasOwn(each.getFields(), field))
    .map(({ name }) => name);
}

/**
 * Lists the fields that a subgraph gets in order to resolve a field: those of `@requires` and `@fromContext`.
 *
 * @param definedAt the type whose definition has the field: `typeName`, or with `@interfaceObject` one of its interfaces
 */
function requiredFields(
  apollo: Schema,
  schema: GraphQLSchema,
  definedAt: string,
  name: string,
  typeName: string,
): FieldSelection[] {
  const type = apollo.type(definedAt);
  if (type?.kind !== 'ObjectType' && type?.kind !== 'InterfaceType') return [];
  return (type.field(name)?.appliedDirectivesOf('join__field') ?? []).flatMap((applied) => {
    const { requires, contextArguments = [] } = applied.arguments();
    const required = typeof requires === 'string' ? listSelected(schema, typeName, requires) : [];
    const contextual = contextArguments.flatMap(({ context, selection }: { context: string; selection: string }) =>
      typesWithContext(apollo, context).flatMap((each) => listSelected(schema, each, selection)),
    );
    return [...required, ...contextual];
  });
}

function typesWithContext(apollo: Schema, context: string): string[] {
  return apollo
    .types()
    .filter((type) => type.appliedDirectivesOf('context').some((applied) => applied.arguments().name === context))
    .map(({ name }) => name);
}

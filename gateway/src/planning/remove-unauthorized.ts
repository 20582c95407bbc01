import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isListType,
  isNonNullType,
  isUnionType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import type { AccessRules, Grants } from '../supergraph/access-rules.ts';
import type { PlanError } from './plan.ts';

/** Maximum number of errors that are reported per operation. */
const maxErrors = 100;

export interface AuthorizedDocument {
  /** The document without the removed fields; null if the operation has no field left. */
  document: DocumentNode | null;
  /** One error for each response path of a removed field, up to `maxErrors`. */
  errors: readonly PlanError[];
  /** The removed fields as `Type.field`. `Type` is the type on which the field was selected. */
  hiddenFields: readonly string[];
}

export interface AuthorizeOptions {
  /** The API schema. */
  schema: GraphQLSchema;
  rules: AccessRules;
  grants: Grants;
}

/**
 * Removes from an operation the fields that the client may not see, before it is planned. A field is also removed if it
 * has no subfields left.
 *
 * @see https://www.apollographql.com/docs/graphos/routing/security/authorization
 */
export function removeUnauthorized(
  document: DocumentNode,
  operation: OperationDefinitionNode,
  { schema, rules, grants }: AuthorizeOptions,
): AuthorizedDocument {
  const fragments = new Map(
    document.definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  const errors = new Map<string, PlanError>();
  const authorized = new Map<string, FragmentDefinitionNode | null>();
  const hidden = new Set<string>();
  /**
   * Fragments in which hidden fields were already reported, each with the path of its spread. A fragment is searched
   * once per path, because some operations spread a fragment millions of times.
   */
  const reported = new Set<string>();

  const typeOf = (name: string | undefined, otherwise: GraphQLCompositeType): GraphQLCompositeType => {
    const type = name === undefined ? otherwise : schema.getType(name);
    return isCompositeType(type) ? type : otherwise;
  };
  const definitionOf = (type: GraphQLCompositeType, name: string) =>
    isUnionType(type) ? undefined : type.getFields()[name];
  const allows = (type: GraphQLCompositeType, field: string) =>
    field.startsWith('__') ? rules.allowsType(type.name, grants) : rules.allowsField(type.name, field, grants);

  const filter = (set: SelectionSetNode, type: GraphQLCompositeType): SelectionSetNode | null => {
    const selections = set.selections.flatMap((node) => filterNode(node, type) ?? []);
    return selections.length === 0 ? null : { ...set, selections };
  };
  const filterNode = (node: SelectionNode, type: GraphQLCompositeType): SelectionNode | null => {
    if (node.kind === Kind.FRAGMENT_SPREAD) return filterFragment(node.name.value) && node;
    if (node.kind === Kind.FIELD && !allows(type, node.name.value)) {
      hidden.add(`${type.name}.${node.name.value}`);
      return null;
    }
    if (!node.selectionSet) return node;
    const selectionSet = filter(node.selectionSet, belowOf(node, type));
    return selectionSet && { ...node, selectionSet };
  };
  const belowOf = (node: SelectionNode, type: GraphQLCompositeType): GraphQLCompositeType => {
    if (node.kind === Kind.INLINE_FRAGMENT) return typeOf(node.typeCondition?.name.value, type);
    if (node.kind === Kind.FRAGMENT_SPREAD)
      return typeOf(fragments.get(node.name.value)?.typeCondition.name.value, type);
    const definition = definitionOf(type, node.name.value);
    return definition
      ? typeOf(getNamedType(definition.type).name, type)
      : typeOf(introspectionType(node.name.value), type);
  };
  const filterFragment = (name: string): FragmentDefinitionNode | null => {
    const known = authorized.get(name);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    const type = fragment && schema.getType(fragment.typeCondition.name.value);
    const selectionSet = fragment && isCompositeType(type) ? filter(fragment.selectionSet, type) : null;
    const result = fragment && selectionSet ? { ...fragment, selectionSet } : null;
    authorized.set(name, result);
    return result;
  };
  const report = (set: SelectionSetNode, type: GraphQLCompositeType, path: readonly string[]) => {
    for (const node of set.selections) {
      if (errors.size >= maxErrors) return;
      if (node.kind !== Kind.FIELD) {
        const fragment = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        const key = node.kind === Kind.INLINE_FRAGMENT ? null : `${node.name.value} ${path.join()}`;
        if (!fragment || (key !== null && reported.has(key))) continue;
        if (key !== null) reported.add(key);
        report(fragment.selectionSet, belowOf(node, type), path);
        continue;
      }
      const below = [...path, (node.alias ?? node.name).value];
      if (!allows(type, node.name.value)) errors.set(below.join(), unauthorized(below));
      else if (node.selectionSet) {
        const definition = definitionOf(type, node.name.value);
        report(node.selectionSet, belowOf(node, type), [...below, ...(definition ? listSteps(definition.type) : [])]);
      }
    }
  };

  const root = schema.getRootType(operation.operation);
  if (!root) return { document, errors: [], hiddenFields: [] };
  report(operation.selectionSet, root, []);
  if (errors.size === 0) return { document, errors: [], hiddenFields: [] };
  const selectionSet = filter(operation.selectionSet, root);
  const kept = [...authorized.values()].filter((fragment) => fragment !== null);
  return {
    document: selectionSet && { ...document, definitions: [{ ...operation, selectionSet }, ...kept] },
    errors: [...errors.values()],
    hiddenFields: [...hidden],
  };
}

const unauthorized = (path: readonly string[]): PlanError => ({
  code: 'UNAUTHORIZED_FIELD_OR_TYPE',
  message: 'Unauthorized field or type',
  path,
});

function introspectionType(field: string): string | undefined {
  return { __schema: '__Schema', __type: '__Type' }[field];
}

/** Returns an `@` for each list in a type: two for `[[Int]]`. */
function listSteps(type: GraphQLOutputType): string[] {
  if (isNonNullType(type)) return listSteps(type.ofType);
  return isListType(type) ? ['@', ...listSteps(type.ofType)] : [];
}

import {
  baseType,
  builtTypeReference,
  type InputType,
  isExecutableDirectiveLocation,
  type Supergraph,
} from '@apollo/federation-internals';
import { astFromValue, type DocumentNode, type GraphQLSchema, isNonNullType, Kind, visit } from 'graphql';

/**
 * Adds operation directives to the API schema. Subgraphs export these directives by `@composeDirective`. Apollo's
 * library removes all definitions that come from a `@link` from the API schema, including these directives. A directive
 * with an argument of an inaccessible type is not added.
 */
export function exposeOperationDirectives({ schema }: Supergraph): void {
  const linked = schema
    .directives()
    .filter((each) => each.hasExecutableLocations() && schema.coreFeatures?.sourceFeature(each));
  if (linked.length === 0) return;
  const apiSchema = schema.toAPISchema();
  for (const directive of linked) {
    const args = directive.arguments();
    const isKnown = args.every(({ type }) => type && apiSchema.type(baseType(type).name));
    if (!isKnown || apiSchema.directive(directive.name)) continue;
    const exposed = apiSchema.addDirectiveDefinition(directive.name);
    exposed.addLocations(...directive.locations.filter(isExecutableDirectiveLocation));
    exposed.repeatable = directive.repeatable;
    exposed.description = directive.description;
    for (const { name, type, defaultValue } of args)
      exposed.addArgument(name, builtTypeReference(String(type), apiSchema) as InputType, defaultValue);
  }
}

/**
 * Creates the function that writes the default values of non-null arguments into the directives of an operation. The
 * directives are sent to subgraphs. A subgraph may lack the default value, because composition takes the directive's
 * definition from another subgraph.
 */
export function createDefaultsWriter(schema: GraphQLSchema): (document: DocumentNode) => DocumentNode {
  const defaults = new Map(
    schema.getDirectives().flatMap(({ name, args }) => {
      const required = args.flatMap(({ name, type, defaultValue }) => {
        const value = isNonNullType(type) && defaultValue !== undefined ? astFromValue(defaultValue, type) : null;
        return value ? [{ kind: Kind.ARGUMENT, name: { kind: Kind.NAME, value: name }, value } as const] : [];
      });
      return required.length > 0 ? [[name, required] as const] : [];
    }),
  );
  if (defaults.size === 0) return (document) => document;
  return (document) =>
    visit(document, {
      Directive(node) {
        const given = new Set(node.arguments?.map(({ name }) => name.value));
        const missing = defaults.get(node.name.value)?.filter(({ name }) => !given.has(name.value)) ?? [];
        if (missing.length > 0) return { ...node, arguments: [...(node.arguments ?? []), ...missing] };
      },
    });
}

import {
  type ArgumentNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type FieldNode,
  type InterfaceTypeDefinitionNode,
  Kind,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  type SelectionSetNode,
  type TypeNode,
} from 'graphql';

/** A field with the arguments that a `@requires` passes to it. */
export interface RequiredField {
  name: string;
  arguments: readonly ArgumentNode[];
}

/**
 * A supergraph in which no `@requires` passes arguments. Each field with arguments was replaced with an added field
 * without arguments. For example, `price__required0` replaces `price(currency: "EUR")`.
 */
export interface SupergraphWithRequiredFields {
  sdl: string;
  /** The original fields with their arguments, by the names of the added fields. */
  required: ReadonlyMap<string, RequiredField>;
  /**
   * The added fields that a field requires. The key is `subgraph Type.field`. Each value maps the path of an original
   * field to the name of its added field, such as `price` to `price__required0`.
   */
  needs: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

type TypeDefinition = ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode;

/**
 * Replaces fields with arguments in the selections of `@requires`. Each of them becomes an added field without
 * arguments. The planner would merge the original field with a selection of the same field by the client or by another
 * `@requires`. With different arguments, one of the two selections would get a wrong value.
 */
export function separateRequiredFields(sdl: string): SupergraphWithRequiredFields {
  const required = new Map<string, RequiredField>();
  const needs = new Map<string, Map<string, string>>();
  const document = parse(sdl, { noLocation: true });
  const types = new Map(
    document.definitions.filter(isTypeDefinition).map((definition) => [definition.name.value, definition]),
  );
  const graphNames = readGraphNames(document);
  const names = new Map<string, string>();
  /**
   * The added fields of each type. The key is the name of the added field, and the value is the name of its original
   * field.
   */
  const added = new Map<string, Map<string, string>>();

  const nameOf = (field: FieldNode): string => {
    const text = `${field.name.value}(${(field.arguments ?? []).map(print).sort().join()})`;
    const name = names.get(text) ?? `${field.name.value}__required${names.size}`;
    names.set(text, name);
    required.set(name, { name: field.name.value, arguments: field.arguments ?? [] });
    return name;
  };
  const addTo = (typeName: string, name: string, of: string) => {
    const known = added.get(typeName) ?? new Map<string, string>();
    added.set(typeName, known.set(name, of));
    if (types.get(typeName)?.kind !== Kind.INTERFACE_TYPE_DEFINITION) return;
    for (const [other, { interfaces = [] }] of types)
      if (interfaces.some((each) => each.name.value === typeName))
        added.set(other, (added.get(other) ?? new Map()).set(name, of));
  };
  const separate = (set: SelectionSetNode, typeName: string, path: readonly string[], needed: Map<string, string>) => {
    const selections = set.selections.map((node): typeof node => {
      if (node.kind === Kind.INLINE_FRAGMENT)
        return {
          ...node,
          selectionSet: separate(node.selectionSet, node.typeCondition?.name.value ?? typeName, path, needed),
        };
      if (node.kind !== Kind.FIELD) return node;
      const definition = types.get(typeName)?.fields?.find(({ name }) => name.value === node.name.value);
      const below = [...path, node.name.value];
      const selectionSet =
        node.selectionSet && definition
          ? separate(node.selectionSet, namedType(definition.type), below, needed)
          : node.selectionSet;
      if (!definition?.arguments?.length) return { ...node, ...(selectionSet && { selectionSet }) };
      const name = nameOf(node);
      addTo(typeName, name, node.name.value);
      needed.set(below.join('.'), name);
      return { kind: Kind.FIELD, name: { kind: Kind.NAME, value: name }, ...(selectionSet && { selectionSet }) };
    });
    return { ...set, selections };
  };
  const rewriteField = (field: FieldDefinitionNode, typeName: string): FieldDefinitionNode => {
    const directives = field.directives?.map((directive): DirectiveNode => {
      const requires = stringArgument(directive, 'requires');
      if (directive.name.value !== 'join__field' || requires === null) return directive;
      const needed = new Map<string, string>();
      const set = separate(parseSelection(requires), typeName, [], needed);
      if (needed.size === 0) return directive;
      const graph = directive.arguments?.find(({ name }) => name.value === 'graph')?.value;
      const subgraph = graph?.kind === Kind.ENUM ? (graphNames.get(graph.value) ?? '') : '';
      needs.set(`${subgraph} ${typeName}.${field.name.value}`, needed);
      const value = print(set).slice(1, -1).replace(/\s+/g, ' ').trim();
      return withArgument(directive, 'requires', value);
    });
    return { ...field, ...(directives && { directives }) } as FieldDefinitionNode;
  };

  const rewritten = document.definitions.map((definition) =>
    isTypeDefinition(definition)
      ? { ...definition, fields: definition.fields?.map((field) => rewriteField(field, definition.name.value)) }
      : definition,
  );
  if (required.size === 0) return { sdl, required, needs };
  const definitions = rewritten.map((definition) => {
    const names = isTypeDefinition(definition) ? added.get(definition.name.value) : undefined;
    if (!names || !isTypeDefinition(definition)) return definition;
    const copies = [...names].flatMap(([name, of]) => {
      const field = definition.fields?.find((each) => each.name.value === of);
      return field ? [{ ...field, name: { kind: Kind.NAME as const, value: name }, arguments: [] }] : [];
    });
    return { ...definition, fields: [...(definition.fields ?? []), ...copies] };
  });
  return { sdl: print({ ...document, definitions } as DocumentNode), required, needs };
}

function isTypeDefinition(node: { kind: Kind }): node is TypeDefinition {
  return node.kind === Kind.OBJECT_TYPE_DEFINITION || node.kind === Kind.INTERFACE_TYPE_DEFINITION;
}

/** Reads the names of the subgraphs. The key is the subgraph's value in the enum `join__Graph`. */
function readGraphNames({ definitions }: DocumentNode): Map<string, string> {
  const values = definitions.flatMap((node) =>
    node.kind === Kind.ENUM_TYPE_DEFINITION && node.name.value === 'join__Graph' ? (node.values ?? []) : [],
  );
  return new Map(
    values.map(({ name, directives = [] }) => [
      name.value,
      directives.map((directive) => stringArgument(directive, 'name')).find((each) => each !== null) ?? '',
    ]),
  );
}

export function parseSelection(text: string): SelectionSetNode {
  const [operation] = parse(`{${text}}`, { noLocation: true }).definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error(`no selection: ${text}`);
  return operation.selectionSet;
}

export function stringArgument(directive: DirectiveNode, argument: string): string | null {
  const value = directive.arguments?.find(({ name }) => name.value === argument)?.value;
  return value?.kind === Kind.STRING ? value.value : null;
}

function withArgument(directive: DirectiveNode, argument: string, value: string): DirectiveNode {
  return {
    ...directive,
    arguments: directive.arguments?.map((each) =>
      each.name.value === argument ? { ...each, value: { kind: Kind.STRING, value } } : each,
    ),
  } as DirectiveNode;
}

function namedType(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedType(type.type);
}

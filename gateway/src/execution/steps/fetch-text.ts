import { type DefinitionNode, Kind, type OperationDefinitionNode, parse } from 'graphql';

/** The parsed text of an entity fetch. */
export interface FetchText {
  /** The definitions of the client's variables, by name. */
  variables: ReadonlyMap<string, string>;
  /** The selection set of `_entities`. */
  selection: string;
  /** The definitions of the fragments in the fetch's text, by name. */
  fragments: ReadonlyMap<string, string>;
}

/** Reads the text of an entity fetch; null if its operation is not a single `_entities` field. */
export function readFetchText(query: string): FetchText | null {
  const [operation, ...others] = parse(query).definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) return null;
  const selection = selectionOf(operation, query);
  if (selection === null) return null;
  const variables = (operation.variableDefinitions ?? []).map(
    (definition) => [definition.variable.name.value, textOf(definition, query)] as const,
  );
  return {
    variables: new Map(variables.filter(([name]) => name !== 'representations')),
    selection,
    fragments: new Map(others.map((definition) => [nameOf(definition), textOf(definition, query)])),
  };
}

/** Returns the text of the fetched fields, to compare fetches. */
export function fieldsOf({ selection, fragments }: FetchText): string {
  return [selection, ...fragments.values()].join(' ');
}

function selectionOf({ selectionSet, directives = [] }: OperationDefinitionNode, query: string): string | null {
  const [field] = selectionSet.selections;
  if (selectionSet.selections.length !== 1 || field?.kind !== Kind.FIELD || directives.length > 0) return null;
  if (field.name.value !== '_entities' || field.alias || field.directives?.length || !field.selectionSet) return null;
  return textOf(field.selectionSet, query);
}

function textOf({ loc }: { loc?: { start: number; end: number } }, query: string): string {
  return query.slice(loc?.start, loc?.end);
}

function nameOf(definition: DefinitionNode): string {
  return definition.kind === Kind.FRAGMENT_DEFINITION ? definition.name.value : '';
}

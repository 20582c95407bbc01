import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';
import { isNestedDeeper } from '../../request/nesting.ts';

/** Maximum number of errors that are kept per response. The reason is that each error is formatted and logged. */
const maxErrors = 100;

/** Maximum length of an error's path. Longer paths are dropped, because formatting them would block the event loop. */
const maxPathLength = 200;
/** Error messages are cut to this number of characters. */
const maxMessageLength = 2_000;

/** Extensions nested deeper than this are dropped, because serialisers recurse into them. */
const maxExtensionsNesting = 100;

/** A subgraph's GraphQL response. */
export interface SubgraphResponse {
  data?: Record<string, unknown> | null;
  errors?: readonly SubgraphError[];
}

export interface SubgraphError {
  message?: string;
  path?: readonly (string | number)[];
  extensions?: Record<string, unknown>;
}

/** Parses a GraphQL response. Returns null for any other text. */
export function readSubgraphResponse(text: string): SubgraphResponse | null {
  return toSubgraphResponse(parseJson(text));
}

/**
 * Converts parsed JSON to a GraphQL response; null for any other JSON. `errors: null` and `errors: []` count as no
 * errors, because some servers send them although the specification forbids both.
 */
export function toSubgraphResponse(json: unknown): SubgraphResponse | null {
  if (!isRecord(json)) return null;
  const { data } = json;
  if (data !== undefined && data !== null && !isRecord(data)) return null;
  if (json.errors === undefined) return data === undefined ? null : { data };
  const errors = readErrors(json.errors ?? []);
  if (!errors || (data === undefined && errors.length === 0)) return null;
  return { ...(data !== undefined && { data }), ...(errors.length > 0 && { errors }) };
}

function readErrors(errors: unknown): SubgraphError[] | null {
  if (!Array.isArray(errors) || !errors.every(isRecord)) return null;
  return errors.slice(0, maxErrors).map(({ message, path, extensions }) => ({
    ...(typeof message === 'string' && { message: message.slice(0, maxMessageLength) }),
    ...(isPath(path) && { path }),
    ...(isRecord(extensions) && { extensions: readExtensions(extensions) }),
  }));
}

/**
 * Returns the extensions of an error. `http` is dropped, because Apollo Server would apply it to the whole response. A
 * `code` that is not a string is dropped. If the other extensions are nested too deeply, all of them are dropped.
 */
function readExtensions({ http: _http, code, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return { ...(typeof code === 'string' && { code }), ...(!isNestedDeeper(rest, maxExtensionsNesting) && rest) };
}

function isPath(value: unknown): value is readonly (string | number)[] {
  return (
    Array.isArray(value) &&
    value.length <= maxPathLength &&
    value.every((step) => typeof step === 'string' || typeof step === 'number')
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the response keys of an operation's root fields. */
export function rootResponseKeys(document: DocumentNode, variables: Record<string, unknown>): string[] {
  const fragments = new Map(
    document.definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  const isIncluded = (node: SelectionNode) =>
    getDirectiveValues(GraphQLSkipDirective, node, variables)?.if !== true &&
    getDirectiveValues(GraphQLIncludeDirective, node, variables)?.if !== false;
  const keysOf = (selectionSet: SelectionSetNode | undefined): string[] =>
    (selectionSet?.selections ?? []).filter(isIncluded).flatMap((node) => {
      if (node.kind === Kind.FIELD) return [node.alias?.value ?? node.name.value];
      return keysOf(
        node.kind === Kind.INLINE_FRAGMENT ? node.selectionSet : fragments.get(node.name.value)?.selectionSet,
      );
    });
  return [...new Set(keysOf(getOperationAST(document)?.selectionSet))];
}

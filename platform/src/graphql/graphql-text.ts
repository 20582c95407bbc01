import {
  type ASTNode,
  BREAK,
  type DocumentNode,
  Kind,
  Lexer,
  Source,
  type StringValueNode,
  TokenKind,
  visit,
} from 'graphql';
import { CodedError } from '../errors.ts';
import { findInvalidText, invalidText } from '../http/text.ts';

/** The parts of an operation that contain the client's text. */
export interface OperationText {
  /** The source text. If it contains neither NUL nor `\u`, literals need no check. */
  query?: string | null;
  document: DocumentNode;
  variables?: Readonly<Record<string, unknown>> | null;
}

/**
 * Rejects an operation with NUL or a lone surrogate in a variable or literal. The check does not recurse, because an
 * operation may be nested deeply.
 *
 * @throws CodedError BAD_USER_INPUT with the argument's path, such as `input.code`, as `argument`
 */
export function assertOperationText({ query, document, variables }: OperationText): void {
  const [variable, ...rest] = findInvalidText(variables ?? {}) ?? [];
  if (variable !== undefined)
    throw invalidText([...(argumentOf(document, String(variable)) ?? [String(variable)]), ...rest].join('.'));
  // Literals need a check only if the text contains NUL or `\u`, which may encode NUL. The lexer already rejects lone
  // surrogates.
  if (query && !/\0|\\u/.test(query)) return;
  const literal = findLiteral(document);
  if (literal) throw invalidText(literal.join('.'));
}

/**
 * Limit of nested brackets. It is twice the gateway's limit, because the gateway's requests to subgraphs are nested a
 * little deeper than a client's operation.
 */
const maxNesting = 400;
const opening: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const closing: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** Returns by how much a token changes the number of open brackets: 1, -1 or 0. */
export function nestingStep(kind: string): number {
  if (opening.has(kind)) return 1;
  return closing.has(kind) ? -1 : 0;
}

/**
 * Rejects text whose brackets are nested more deeply than the stacks of parser, validator and executor allow. Text that
 * is not GraphQL is left to the parser.
 *
 * @throws CodedError OPERATION_TOO_COMPLEX
 */
export function assertNesting(text: string): void {
  if ((text.match(/[{[(]/g)?.length ?? 0) <= maxNesting) return;
  let nesting = 0;
  for (const kind of tokenKinds(text)) {
    nesting += nestingStep(kind);
    if (nesting > maxNesting) throw new CodedError('OPERATION_TOO_COMPLEX', 'The operation is nested too deeply.');
  }
}

function* tokenKinds(text: string): Generator<string> {
  const lexer = new Lexer(new Source(text));
  try {
    for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) yield token.kind;
  } catch {
    // The lexer failed, because the text is not GraphQL. The parser will stop here or before, and report the error.
  }
}

/**
 * Finds the first use of a variable. Returns the names on the path to the variable: first the argument, then the input
 * fields.
 */
function argumentOf(document: DocumentNode, variable: string): string[] | null {
  let found: string[] | null = null;
  visit(document, {
    VariableDefinition: () => false,
    Variable(node, _key, parent, _path, ancestors) {
      if (node.name.value !== variable) return undefined;
      found = namesOf([...ancestors, parent]);
      return BREAK;
    },
  });
  return found;
}

function findLiteral(document: DocumentNode): string[] | null {
  let found: string[] | null = null;
  visit(document, {
    StringValue(node: StringValueNode, _key, parent, _path, ancestors) {
      if (findInvalidText(node.value) === null) return undefined;
      found = namesOf([...ancestors, parent]);
      return BREAK;
    },
  });
  return found;
}

/**
 * Lists the names on the path to a value, such as `input` and `code`: first the argument, then the input fields. For a
 * value in the default of a variable, the first name is that of the variable.
 */
function namesOf(ancestors: readonly (ASTNode | readonly ASTNode[] | undefined)[]): string[] {
  const names: string[] = [];
  for (const ancestor of ancestors) {
    if (!ancestor || !('kind' in ancestor)) continue;
    if (ancestor.kind === Kind.ARGUMENT || ancestor.kind === Kind.OBJECT_FIELD) names.push(ancestor.name.value);
    if (ancestor.kind === Kind.VARIABLE_DEFINITION) names.push(ancestor.variable.name.value);
  }
  return names;
}

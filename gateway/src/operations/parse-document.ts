import { CodedError } from '@voucher-gateway/platform/errors';
import { nestingStep } from '@voucher-gateway/platform/graphql/graphql-text';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  Lexer,
  parse,
  type SelectionNode,
  Source,
  TokenKind,
} from 'graphql';
import { type LimitGuard, maxNesting, tooComplex } from '../request/limits.ts';

/** A document and its number of tokens. */
export interface ParsedDocument {
  /** The document, parsed without locations. With locations, it would take several times the memory. */
  document: DocumentNode;
  tokens: number;
}

/**
 * Parses a document within limits, in two steps that can run in different turns of the event loop. {@link countTokens}
 * counts tokens and levels of brackets, without recursion. {@link parseCounted} then parses with recursion. The levels
 * of brackets are limited, so that the recursion can't exceed the stack.
 *
 * @throws GraphQLError GRAPHQL_PARSE_FAILED
 * @throws CodedError OPERATION_TOO_COMPLEX, BAD_USER_INPUT
 */
export function parseDocument(text: string, guard: LimitGuard): ParsedDocument {
  const tokens = countTokens(text, guard);
  return { document: parseCounted(text), tokens };
}

/** Parses a text that has passed `countTokens`. */
export function parseCounted(text: string): DocumentNode {
  return withCode(() => shareLeaves(parse(text, { noLocation: true })));
}

/** Counts the tokens of a text, and checks them against the limits. */
export function countTokens(text: string, guard: LimitGuard): number {
  return withCode(() => count(text, guard));
}

function withCode<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const { source, positions } = error;
    throw new GraphQLError(error.message, {
      source,
      positions,
      extensions: { code: 'GRAPHQL_PARSE_FAILED' satisfies PublicErrorCode },
    });
  }
}

function count(text: string, guard: LimitGuard): number {
  const lexer = new Lexer(new Source(text));
  let tokens = 0;
  let nesting = 0;
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    tokens += 1;
    // The limit is checked during the count, so that a long text is refused before it is read to its end.
    if (tokens % 1_000 === 0) guard.check('MAX_TOKENS', tokens);
    nesting += nestingStep(token.kind);
    if (nesting > maxNesting) throw tooComplex('nesting', maxNesting, nesting);
    // A number that becomes infinite in JavaScript is refused, because the planner can't write it into a request.
    if ((token.kind === TokenKind.INT || token.kind === TokenKind.FLOAT) && !Number.isFinite(Number(token.value)))
      throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', `A number on line ${token.line} is too large.`);
    // PostgreSQL can store neither U+0000 nor lone surrogates. The lexer has already refused lone surrogates.
    if ((token.kind === TokenKind.STRING || token.kind === TokenKind.BLOCK_STRING) && token.value.includes('\0'))
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `A text on line ${token.line} has the character U+0000, which no text may have.`,
      );
  }
  guard.check('MAX_TOKENS', tokens);
  return tokens;
}

/**
 * Makes plain fields of the same name share one syntax node. A plain field has no alias, arguments, directives or
 * selections. So a document of thousands of fields takes little memory, and does not lengthen garbage collections.
 */
function shareLeaves(document: DocumentNode): DocumentNode {
  const leaves = new Map<string, FieldNode>();
  const share = (node: SelectionNode): SelectionNode => {
    if (node.kind !== Kind.FRAGMENT_SPREAD && node.selectionSet) shareIn(node.selectionSet);
    else if (node.kind === Kind.FIELD && !node.alias && !node.arguments?.length && !node.directives?.length) {
      const shared = leaves.get(node.name.value);
      if (shared) return shared;
      leaves.set(node.name.value, node);
    }
    return node;
  };
  const shareIn = (set: { selections: readonly SelectionNode[] }) => {
    set.selections = set.selections.map(share);
  };
  for (const definition of document.definitions) if ('selectionSet' in definition) shareIn(definition.selectionSet);
  return document;
}

/** Returns the fragments of a document, by name. */
export function fragmentsOf({ definitions }: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const node of definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  return fragments;
}

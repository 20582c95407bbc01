import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type DocumentNode, GraphQLError, parse, validate } from 'graphql';
import { LRUCache } from 'lru-cache';
import { type Federation, type Operation, unresolvedOperation } from './federation.ts';

/** An operation as a client sends it. */
export interface OperationRequest {
  query: string;
  operationName?: string | null | undefined;
  variables?: Record<string, unknown> | null | undefined;
}

/** Documents remembered. */
const remembered = 1_000;

/**
 * Makes the function that parses and validates what a client sends: an operation to plan, or the errors to answer
 * (GRAPHQL_PARSE_FAILED, GRAPHQL_VALIDATION_FAILED, OPERATION_RESOLUTION_FAILURE). The same text is parsed and
 * validated once, however many clients send it.
 */
export function createPrepareOperation(federation: Federation) {
  const documents = new LRUCache<string, DocumentNode>({ max: remembered });
  let validatedBy = federation.schema;

  const validDocument = (query: string): DocumentNode | readonly GraphQLError[] => {
    if (validatedBy !== federation.schema) {
      documents.clear();
      validatedBy = federation.schema;
    }
    const known = documents.get(query);
    if (known) return known;
    const document = parsed(query);
    if (document instanceof GraphQLError) return [document];
    const faults = validate(federation.schema, document);
    if (faults.length > 0) return faults.map((fault) => withCode(fault, 'GRAPHQL_VALIDATION_FAILED'));
    documents.set(query, document);
    return document;
  };

  return ({ query, operationName, variables }: OperationRequest): Operation | readonly GraphQLError[] => {
    const document = validDocument(query);
    if (!('kind' in document)) return document;
    const unresolved = unresolvedOperation(document, operationName);
    if (unresolved) return [unresolved];
    return { document, operationName: operationName ?? null, variables: variables ?? {} };
  };
}

function parsed(query: string) {
  try {
    return parse(query);
  } catch (error) {
    if (error instanceof GraphQLError) return withCode(error, 'GRAPHQL_PARSE_FAILED');
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'The query is not a text.', { cause: error });
  }
}

function withCode(error: GraphQLError, code: PublicErrorCode): GraphQLError {
  const { nodes, source, positions, path } = error;
  return new GraphQLError(error.message, { nodes, source, positions, path, extensions: { code } });
}

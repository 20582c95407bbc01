import type { QueryPlan } from '@apollo/query-planner';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type DocumentNode,
  type ExecutionResult,
  type FragmentDefinitionNode,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import type { GatewayContext } from '../context.ts';
import { createFailureMask } from '../failure-mask.ts';
import type { Federation } from '../federation.ts';
import type { ReloadableFederation } from '../reloadable-federation.ts';
import { createDocuments, type Documents } from './documents.ts';
import { createGate } from './gate.ts';
import { createLimitGuard, type OperationLimits } from './limits.ts';
import { createLoopShare } from './loop-share.ts';
import { createPersistedQueries, type PersistedQueries, persistedQueryHash, sha256 } from './persisted-queries.ts';
import type { Conditions } from './planning/resolve-conditions.ts';
import { isPublicOperation } from './public-fields.ts';
import { isLargerThan } from './response-size.ts';
import { checkVariables, readConditions } from './variables.ts';
import { requesterOf } from './waiting-line.ts';

/** An operation as a client sends it. */
export interface OperationRequest {
  query?: string | null | undefined;
  operationName?: string | null | undefined;
  variables?: Readonly<Record<string, unknown>> | null | undefined;
  extensions?: unknown;
}

/** An operation that may be executed: within the limits, valid, planned, and its client admitted to it. */
export interface Operation {
  /** The document's text. */
  text: string;
  /** One object for all who send the same text, as long as it is remembered. */
  document: DocumentNode;
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  operationName: string | null;
  /** As the client sent them. */
  variables: Readonly<Record<string, unknown>>;
  definition: OperationDefinitionNode;
  /** How many it has, with its fragments expanded. */
  selections: number;
  /** Values of the variables that `@skip` and `@include` depend on: the plan is made for them. */
  conditions: Conditions;
  plan: QueryPlan;
  /** The supergraph that it was planned for, by which it is executed also when another one is served by then. */
  federation: Federation;
}

/** The one pipeline: text, document, limits, validation, plan, execution. Transports are adapters in front of it. */
export interface Operations {
  readonly persistedQueries: PersistedQueries;
  /**
   * Makes an operation ready to be executed. The same text is parsed, validated and planned once, however many clients
   * send it.
   *
   * @throws InvalidDocument GRAPHQL_VALIDATION_FAILED, every fault of the document
   * @throws GraphQLError GRAPHQL_PARSE_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX, OPERATION_RESOLUTION_FAILURE, BAD_USER_INPUT, BAD_REQUEST,
   *   PERSISTED_QUERY_NOT_FOUND, SERVICE_UNAVAILABLE, and what the token was refused with
   */
  prepare(request: OperationRequest, context: GatewayContext): Promise<Operation>;
  /**
   * Executes a query or a mutation; a large one in its turn.
   *
   * @throws CodedError OPERATION_TOO_COMPLEX for an answer over MAX_RESPONSE_BYTES; SERVICE_UNAVAILABLE (retryable)
   *   when too many large ones wait
   */
  execute(operation: Operation, context: GatewayContext): Promise<ExecutionResult>;
}

export interface OperationsOptions {
  federation: ReloadableFederation;
  limits: OperationLimits;
  /** `measure` logs what is over a limit and lets it pass. Default: `enforce`. */
  mode?: 'enforce' | 'measure';
  /** Whether clients may ask for the schema. */
  introspection: boolean;
  /** Part of the event loop's time that new texts and large operations may take, above 0 and at most 1. */
  largeOperationsShare: number;
  log: Log;
}

/** An operation with more selections is large: it is executed in its turn. */
const maxSmallSelections = 500;
/** Time of the loop that the execution of a selection takes, its request and its answer included, as measured. */
const msPerSelection = 0.001;
/**
 * So many new texts are read and planned at once. A parsed text takes up to 1 MiB, and there is one planner: the others
 * wait unread.
 */
const newTextsAtOnce = 4;
/** What an operation may owe for its execution: in measure mode nothing else bounds its selections. */
const maxFollowingMs = 100;

export function createOperations({
  federation: reloadable,
  limits,
  mode = 'enforce',
  introspection,
  largeOperationsShare,
  log,
}: OperationsOptions): Operations {
  const guard = createLimitGuard(limits, { mode, log });
  const loopShare = createLoopShare({ share: largeOperationsShare });
  const newTexts = createGate({ atOnce: newTextsAtOnce });
  const persistedQueries = createPersistedQueries();
  const mask = createFailureMask(log);
  // What is remembered of a supergraph goes with it.
  const documentsOf = new WeakMap<Federation, Documents>();
  const documentsFor = (federation: Federation): Documents => {
    const known = documentsOf.get(federation) ?? createDocuments({ federation, guard, loopShare, introspection });
    documentsOf.set(federation, known);
    return known;
  };

  return {
    persistedQueries,
    async prepare(request, context) {
      const { text, hash, isPersisted } = readText(request, persistedQueries);
      const variables = checkVariables(request.variables);
      const operationName = request.operationName || null;
      const requester = requesterOf(context);
      const isNew = !documentsFor(reloadable.current).isKnown(hash);
      using _turn = isNew ? await newTexts.enter(requester, 2 * text.length) : null;
      // Another supergraph may be served since.
      const federation = reloadable.current;
      const documents = documentsFor(federation);
      const known = await documents.parse(text, hash, requester);
      const definition = resolveOperation(known.document, operationName);
      if (context.refusal && !isPublicOperation(federation.supergraph, definition, known.fragments))
        throw context.refusal;
      const selections = documents.check(known, definition, variables);
      const conditions = readConditions(known.conditionVariables, definition, variables);
      const plan = await documents.plan(known, operationName, conditions, requester).catch((error: unknown) => {
        throw mask.maskThrown(error, context);
      });
      if (isPersisted) persistedQueries.add(hash, text);
      const { document, fragments } = known;
      return {
        text,
        document,
        fragments,
        operationName,
        variables,
        definition,
        selections,
        conditions,
        plan,
        federation,
      };
    },
    async execute(operation, context) {
      const { selections, text } = operation;
      if (selections > maxSmallSelections)
        await loopShare.run(() => {}, {
          requester: requesterOf(context),
          bytes: 2 * text.length,
          followingMs: Math.min(selections * msPerSelection, maxFollowingMs),
        });
      const result = await operation.federation.execute(operation, context);
      if (isLargerThan(result, limits.MAX_RESPONSE_BYTES)) guard.exceed('MAX_RESPONSE_BYTES');
      return result;
    },
  };
}

/** The text that a request sends, or whose hash it sends. */
function readText({ query, extensions }: OperationRequest, persistedQueries: PersistedQueries) {
  const hash = persistedQueryHash(extensions);
  const isPersisted = hash !== null;
  if (typeof query !== 'string' || query === '') {
    if (hash === null) throw badRequest('The request has no query.');
    const text = persistedQueries.get(hash);
    if (text === undefined)
      throw new CodedError<PublicErrorCode>('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return { text, hash, isPersisted };
  }
  const actual = sha256(query);
  if (isPersisted && hash !== actual)
    throw badRequest('extensions.persistedQuery.sha256Hash is not the hash of the query.');
  return { text: query, hash: actual, isPersisted };
}

/** @throws CodedError OPERATION_RESOLUTION_FAILURE when there is no operation of this name, or several and no name */
function resolveOperation(document: DocumentNode, operationName: string | null): OperationDefinitionNode {
  const definition = getOperationAST(document, operationName);
  if (definition) return definition;
  throw new CodedError<PublicErrorCode>(
    'OPERATION_RESOLUTION_FAILURE',
    operationName
      ? `The document has no operation named ${JSON.stringify(operationName.slice(0, 100))}.`
      : 'The document has no operation, or several: name one in operationName.',
  );
}

function badRequest(message: string): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('BAD_REQUEST', message);
}

import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { type DocumentNode, getOperationAST, type OperationDefinitionNode } from 'graphql';
import type { GatewayContext } from '../context.ts';
import type { JsonResult } from '../execution/response/json-result.ts';
import { createFailureMask } from '../federation/failure-mask.ts';
import type { ExecutableOperation, Federation } from '../federation/federation.ts';
import type { ReloadableFederation } from '../federation/reloadable-federation.ts';
import type { PlanVariant } from '../planning/plan.ts';
import { createLimitGuard, type OperationLimits } from '../request/limits.ts';
import { checkVariables, readConditions, type Variables } from '../request/variables.ts';
import { createGate } from '../scheduling/gate.ts';
import { createLoopShare } from '../scheduling/loop-share.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';
import { createDocuments, type Documents, type KnownDocument } from './documents.ts';
import { createExecute } from './execute.ts';
import { createPersistedQueries, type PersistedQueries, persistedQueryHash, sha256 } from './persisted-queries.ts';
import { isPublicOperation } from './public-fields.ts';
import { createSharedReads } from './shared-reads.ts';

/** An operation as a client sends it. */
export interface OperationRequest {
  query?: string | null | undefined;
  operationName?: string | null | undefined;
  variables?: Readonly<Record<string, unknown>> | null | undefined;
  extensions?: unknown;
}

/** An operation that is ready to be executed: within the limits, valid, planned and authorised. */
export interface Operation extends ExecutableOperation {
  /** The document's text. */
  text: string;
  /** The parsed document: the same object for equal texts, while it is cached. */
  document: DocumentNode;
  operationName: string | null;
  /**
   * Whether the client takes deferred parts, and the document may have `@defer`. The plan may still have no deferred
   * parts (`plan.hasDeferred`).
   */
  takesDeferred: boolean;
  /** What the plan depends on besides the operation and its conditions, such as the client's rights. */
  variant: PlanVariant;
  /** The federation that planned the operation. The same federation executes it, even after a reload. */
  federation: Federation;
}

/** The pipeline of all transports: parse, check limits, validate, plan, execute. */
export interface Operations {
  readonly persistedQueries: PersistedQueries;
  /**
   * Prepares an operation for execution. Equal texts are parsed, validated and planned once for all clients.
   *
   * @param takesDeferred whether the transport can send deferred parts, and the client takes them. Default: false, `@defer`
   *   is ignored
   * @throws InvalidDocument GRAPHQL_VALIDATION_FAILED, every fault of the document
   * @throws GraphQLError GRAPHQL_PARSE_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX, OPERATION_RESOLUTION_FAILURE, BAD_USER_INPUT, BAD_REQUEST,
   *   PERSISTED_QUERY_NOT_FOUND, SERVICE_UNAVAILABLE, and the error of a refused token
   */
  prepare(request: OperationRequest, context: GatewayContext, takesDeferred?: boolean): Promise<Operation>;
  /**
   * Prepares an operation synchronously if its document and plan are cached. Returns null if they are not cached, or if
   * `prepare` would refuse the operation.
   */
  prepareKnown(request: OperationRequest, context: GatewayContext): Operation | null;
  /**
   * Executes a query or a mutation. A large operation waits while large operations exceed their share of the event
   * loop's time (LARGE_OPERATIONS_SHARE). MAX_RESPONSE_BYTES limits the response with all its deferred parts.
   *
   * @throws CodedError OPERATION_TOO_COMPLEX for a response over MAX_RESPONSE_BYTES; SERVICE_UNAVAILABLE (retryable) if
   *   too many large operations wait
   */
  execute(operation: Operation, context: GatewayContext): Promise<JsonResult>;
}

export interface OperationsOptions {
  federation: ReloadableFederation;
  limits: OperationLimits;
  /** `measure` only logs operations that exceed a limit. Default: `enforce`. */
  mode?: 'enforce' | 'measure';
  /** Whether clients may introspect the schema. */
  introspection: boolean;
  /** Share of the event loop's time for new texts and large operations, above 0 and at most 1. */
  largeOperationsShare: number;
  /** Whether equal queries share one execution while it is in flight. Default: false. */
  shareReads?: boolean;
  log: Log;
}

/**
 * Number of new texts that are parsed or planned concurrently. Further texts wait unparsed, because a parsed text takes
 * up to 1 MiB. There is one planner, so two texts are enough: one is planned while the other is parsed.
 */
const newTextsAtOnce = 2;

export function createOperations({
  federation: reloadable,
  limits,
  mode = 'enforce',
  introspection,
  largeOperationsShare,
  shareReads = false,
  log,
}: OperationsOptions): Operations {
  const guard = createLimitGuard(limits, { mode, log });
  const loopShare = createLoopShare({ share: largeOperationsShare });
  const execute = createExecute({ maxBytes: limits.MAX_RESPONSE_BYTES, guard, loopShare });
  const newTexts = createGate({ atOnce: newTextsAtOnce });
  const persistedQueries = createPersistedQueries();
  const mask = createFailureMask(log);
  // The WeakMap releases the caches of a federation after a reload has replaced the federation.
  const documentsOf = new WeakMap<Federation, Documents>();
  const documentsFor = (federation: Federation): Documents => {
    const known = documentsOf.get(federation) ?? createDocuments({ federation, guard, loopShare, introspection });
    documentsOf.set(federation, known);
    return known;
  };

  /** Checks an operation of a document. The returned operation has no plan yet. */
  const check = (
    federation: Federation,
    known: KnownDocument,
    request: OperationRequest,
    variables: Variables,
    context: GatewayContext,
    takesParts: boolean,
  ): Omit<Operation, 'plan'> => {
    const operationName = request.operationName || null;
    const definition = resolveOperation(known.document, operationName);
    if (context.refusal && !isPublicOperation(federation.supergraph, definition, known.fragments))
      throw context.refusal;
    const selections = documentsFor(federation).check(known, definition, variables);
    const conditions = readConditions(known.conditionVariables, definition, variables);
    const variant = federation.planVariant(context);
    const { text, document, fragments } = known;
    const checked = { text, document, fragments, operationName, variables, definition, selections, conditions };
    const takesDeferred = known.mayDefer && takesParts && definition.operation !== 'subscription';
    return { ...checked, takesDeferred, variant, federation };
  };

  return {
    persistedQueries,
    async prepare(request, context, takesDeferred = false) {
      const { text, hash } = readText(request, persistedQueries);
      const variables = checkVariables(request.variables);
      const requester = requesterOf(context);
      const isNew = !documentsFor(reloadable.current).isKnown(text);
      const work = { requester, bytes: 2 * text.length };
      using _turn = isNew ? await newTexts.enter(requester, work.bytes) : null;
      for (;;) {
        const federation = reloadable.current;
        const documents = documentsFor(federation);
        const known = await documents.parse(text, requester);
        const checkNow = () => check(federation, known, request, variables, context, takesDeferred);
        const checked = isNew ? await loopShare.run(checkNow, work) : checkNow();
        // The supergraph may have been reloaded meanwhile. The planner of the previous supergraph refuses new requests.
        if (federation !== reloadable.current) continue;
        const plan = await documents.plan(known, checked, requester).catch((error: unknown) => {
          throw mask.maskThrown(error, context);
        });
        if (hash !== null) persistedQueries.add(hash, text);
        return { ...checked, plan };
      }
    },
    prepareKnown(request, context) {
      try {
        const { text, hash } = readText(request, persistedQueries);
        const federation = reloadable.current;
        const documents = documentsFor(federation);
        const known = documents.find(text);
        if (!known) return null;
        const variables = checkVariables(request.variables);
        const checked = check(federation, known, request, variables, context, false);
        const plan = documents.findPlan(known, checked);
        if (!plan) return null;
        if (hash !== null) persistedQueries.add(hash, text);
        return { ...checked, plan };
      } catch {
        return null;
      }
    },
    execute: shareReads ? createSharedReads(execute) : execute,
  };
}

/**
 * Returns a request's text, and its persisted-query hash or null. If the request has only the hash, the text comes from
 * the persisted queries.
 */
function readText({ query, extensions }: OperationRequest, persistedQueries: PersistedQueries) {
  const hash = persistedQueryHash(extensions);
  if (typeof query !== 'string' || query === '') {
    if (hash === null) throw badRequest('The request has no query.');
    const text = persistedQueries.get(hash);
    if (text === undefined)
      throw new CodedError<PublicErrorCode>('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return { text, hash };
  }
  if (hash !== null && hash !== sha256(query))
    throw badRequest('extensions.persistedQuery.sha256Hash is not the hash of the query.');
  return { text: query, hash };
}

/**
 * @throws CodedError OPERATION_RESOLUTION_FAILURE if no operation has the name `operationName`, or if `operationName`
 *   is null and the document has several operations
 */
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

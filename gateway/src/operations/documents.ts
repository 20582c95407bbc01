import type { QueryPlan } from '@apollo/query-planner';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getIntrospectionQuery,
  Kind,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Planner } from '../planning/planner.ts';
import { conditionVariables } from '../planning/resolve-conditions.ts';
import { type LimitGuard, maxNesting, tooComplex } from '../request/limits.ts';
import type { Conditions } from '../request/variables.ts';
import type { LoopShare } from '../scheduling/loop-share.ts';
import type { Requester } from '../scheduling/wait-queue.ts';
import { type Complexity, measureComplexity } from './complexity.ts';
import { createCostModel } from './cost-model.ts';
import { parseDocument } from './parse-document.ts';
import { sha256 } from './persisted-queries.ts';
import { SegmentedCache } from './segmented-cache.ts';

/** A document that was parsed within the limits. It is validated when one of its operations is planned. */
export interface KnownDocument {
  readonly hash: string;
  readonly text: string;
  readonly document: DocumentNode;
  /** Its fragments, by name. */
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** Variables that its `@skip` and `@include` depend on. */
  readonly conditionVariables: readonly string[];
}

/** Caches of one supergraph for documents, complexities and plans, each bounded in bytes. */
export interface Documents {
  /** Whether the document with this hash is cached. */
  isKnown(hash: string): boolean;
  /**
   * Parses a text, or returns the cached document.
   *
   * @throws GraphQLError GRAPHQL_PARSE_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX, BAD_USER_INPUT; SERVICE_UNAVAILABLE (retryable) when too many wait
   */
  parse(text: string, hash: string, requester: Requester): Promise<KnownDocument>;
  /**
   * Checks an operation of the document against the limits.
   *
   * @returns number of its selections, with fragments expanded
   * @throws CodedError OPERATION_TOO_COMPLEX, or GRAPHQL_VALIDATION_FAILED for introspection that is turned off
   */
  check(known: KnownDocument, operation: OperationDefinitionNode, variables: Readonly<Record<string, unknown>>): number;
  /**
   * Plans an operation of the document, or returns the cached plan. Concurrent calls for the same plan share the work.
   *
   * @throws what `Planner.plan` throws
   */
  plan(
    known: KnownDocument,
    operationName: string | null,
    conditions: Conditions,
    requester: Requester,
  ): Promise<QueryPlan>;
}

/** A plan in progress, shared by all callers that wait for it. */
interface Planning {
  result: Promise<QueryPlan>;
  waiting: number;
  /** Aborted when no caller waits any more. */
  left: AbortController;
}

const maxDocumentBytes = 33_554_432;
const maxPlanBytes = 67_108_864;
/** Memory of the syntax nodes per token, as measured. */
const bytesPerToken = 200;

export interface DocumentsOptions {
  federation: { readonly supergraph: GraphQLSchema; readonly planner: Planner };
  guard: LimitGuard;
  /** Runs the parsing of new texts. */
  loopShare: LoopShare;
  /** Whether clients may introspect the schema. */
  introspection: boolean;
}

export function createDocuments({ federation, guard, loopShare, introspection }: DocumentsOptions): Documents {
  const { supergraph, planner } = federation;
  const costs = createCostModel(supergraph);
  const documents = new SegmentedCache<KnownDocument>(maxDocumentBytes);
  const plans = new SegmentedCache<{ plan: QueryPlan }>(maxPlanBytes);
  /** Operations whose planning timed out, not retried for a minute. */
  const refused = new LRUCache<string, Error>({ max: 1_000, ttl: 60_000 });
  const planning = new Map<string, Planning>();
  const complexities = new WeakMap<OperationDefinitionNode, Complexity>();

  const measure = (
    fragments: KnownDocument['fragments'],
    operation: OperationDefinitionNode,
    options: { variables?: Readonly<Record<string, unknown>>; onVisit?: LimitGuard['checkVisited'] } = {},
  ) => measureComplexity({ schema: supergraph, costs, fragments, operation, variables: {}, ...options });
  const measureWithin = (
    fragments: KnownDocument['fragments'],
    operation: OperationDefinitionNode,
    variables: Readonly<Record<string, unknown>>,
  ) => {
    try {
      return measure(fragments, operation, { variables, onVisit: guard.checkVisited });
    } catch (error) {
      // In measure mode no limit bounds chains of fragments, which can exceed the stack.
      if (error instanceof RangeError) throw tooComplex('nesting', maxNesting);
      throw error;
    }
  };
  const parseNew = (text: string, hash: string): KnownDocument => {
    const { document, tokens } = parseDocument(text, guard);
    const known = {
      hash,
      text,
      document,
      fragments: fragmentsOf(document),
      conditionVariables: text.includes('@') ? conditionVariables(document) : [],
    };
    documents.set(hash, known, 1_000 + 4 * text.length + bytesPerToken * tokens);
    return known;
  };
  // Allows a little more than the full introspection query of tools.
  const fullIntrospection = parse(getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }));
  const introspectionBudget =
    1.25 *
    measure(fragmentsOf(fullIntrospection), fullIntrospection.definitions[0] as OperationDefinitionNode)
      .introspectionCost;

  const startPlanning = (
    key: string,
    known: KnownDocument,
    operationName: string | null,
    conditions: Conditions,
    { name, onWait }: Requester,
  ): Planning => {
    const left = new AbortController();
    const makePlan = async () => {
      try {
        const request = { text: known.text, operationName, conditions };
        const { plan, bytes } = await planner.plan(request, { name, onWait, signal: left.signal });
        plans.set(key, { plan }, bytes);
        return plan;
      } catch (error) {
        if (isCodedError(error, 'OPERATION_TOO_COMPLEX')) refused.set(key, error);
        throw error;
      } finally {
        // A new plan may have been started since all callers of this one have left.
        if (planning.get(key)?.left === left) planning.delete(key);
      }
    };
    const started: Planning = { result: makePlan(), left, waiting: 0 };
    planning.set(key, started);
    return started;
  };
  /** Waits for a plan in progress. It is aborted once all callers have left. */
  const waitFor = async (key: string, started: Planning, signal: AbortSignal | undefined): Promise<QueryPlan> => {
    const leave = () => {
      started.waiting -= 1;
      if (started.waiting > 0) return;
      if (planning.get(key) === started) planning.delete(key);
      started.left.abort();
    };
    started.waiting += 1;
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await started.result;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  };

  return {
    isKnown: (hash) => documents.has(hash),
    async parse(text, hash, requester) {
      const cached = documents.get(hash);
      if (cached) return cached;
      return loopShare.run(() => documents.get(hash) ?? parseNew(text, hash), { requester, bytes: 2 * text.length });
    },
    check({ fragments }, operation, variables) {
      const known = complexities.get(operation);
      const complexity = known && !known.dependsOnVariables ? known : measureWithin(fragments, operation, variables);
      complexities.set(operation, complexity);
      guard.check('MAX_DEPTH', complexity.depth);
      guard.check('MAX_ALIASES', complexity.aliases);
      guard.check('MAX_DIRECTIVES', complexity.directives);
      guard.check('MAX_ROOT_FIELDS', complexity.rootFields);
      guard.check('MAX_TOKENS', complexity.selections);
      guard.check('MAX_COST', complexity.cost);
      guard.check('values', complexity.values);
      if (complexity.introspectionCost > 0 && !introspection) throw introspectionRefused();
      if (complexity.introspectionCost > introspectionBudget)
        throw tooComplex('introspection', introspectionBudget, complexity.introspectionCost);
      return complexity.selections;
    },
    plan(known, operationName, conditions, requester) {
      // Hashed, because the operation's name may be long.
      const key = sha256(JSON.stringify([known.hash, operationName, conditions]));
      const cached = plans.get(key);
      if (cached) return Promise.resolve(cached.plan);
      const error = refused.get(key);
      if (error) return Promise.reject(error);
      const started = planning.get(key) ?? startPlanning(key, known, operationName, conditions, requester);
      return waitFor(key, started, requester.signal);
    },
  };
}

function fragmentsOf({ definitions }: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null);
  for (const node of definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node;
  return fragments;
}

function introspectionRefused(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>(
    'GRAPHQL_VALIDATION_FAILED',
    'This gateway does not answer __schema and __type (INTROSPECTION=false).',
  );
}

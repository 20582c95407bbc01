import { isCodedError } from '@voucher-gateway/platform/errors';
import type { DocumentNode, FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Plan, PlanVariant } from '../planning/plan.ts';
import type { Planner } from '../planning/planner.ts';
import { conditionVariables } from '../planning/resolve-conditions.ts';
import type { LimitGuard } from '../request/limits.ts';
import type { Conditions, Variables } from '../request/variables.ts';
import type { LoopShare } from '../scheduling/loop-share.ts';
import type { Requester } from '../scheduling/wait-queue.ts';
import { createComplexityCheck } from './check-complexity.ts';
import { countTokens, fragmentsOf, parseCounted } from './parse-document.ts';
import { sha256 } from './persisted-queries.ts';
import { createPlanCache } from './plan-cache.ts';
import { SegmentedCache } from './segmented-cache.ts';

/**
 * A parsed document that exceeds neither the limit of tokens nor the limit of nesting. The document is validated when
 * one of its operations is planned.
 */
export interface KnownDocument {
  readonly hash: string;
  readonly text: string;
  readonly document: DocumentNode;
  /** The document's fragments, by name. */
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** Variables that the document's `@skip`, `@include` and `@defer` depend on. */
  readonly conditionVariables: readonly string[];
  /** Whether the document may have `@defer`: its text contains the word. */
  readonly mayDefer: boolean;
}

/** The caches of one supergraph for documents and plans, each bounded in bytes. */
export interface Documents {
  /** Whether the document with this text is cached. Does not count as a use for eviction. */
  isKnown(text: string): boolean;
  /** Returns the cached document with this text. */
  find(text: string): KnownDocument | undefined;
  /**
   * Parses a text, or returns the cached document.
   *
   * @throws GraphQLError GRAPHQL_PARSE_FAILED
   * @throws CodedError OPERATION_TOO_COMPLEX, BAD_USER_INPUT; SERVICE_UNAVAILABLE (retryable) if too many texts wait to be
   *   parsed
   */
  parse(text: string, requester: Requester): Promise<KnownDocument>;
  /**
   * Checks an operation of the document against the limits.
   *
   * @returns number of the operation's selections, with fragments expanded
   * @throws CodedError OPERATION_TOO_COMPLEX, or GRAPHQL_VALIDATION_FAILED for introspection that is turned off
   */
  check(known: KnownDocument, operation: OperationDefinitionNode, variables: Variables): number;
  /** Returns the cached plan of an operation of the document. */
  findPlan(known: KnownDocument, operation: KnownOperation): Plan | undefined;
  /**
   * Plans an operation of the document, or returns the cached plan. Concurrent calls for the same plan share the work.
   *
   * @throws the errors of `Planner.plan`
   */
  plan(known: KnownDocument, operation: KnownOperation, requester: Requester): Promise<Plan>;
}

/** An operation of a known document. It has passed `check`. */
export interface KnownOperation {
  definition: OperationDefinitionNode;
  operationName: string | null;
  conditions: Conditions;
  /** Whether the client takes deferred parts, and the document may have `@defer`. */
  takesDeferred: boolean;
  /** What the plan depends on besides the operation and its conditions, such as the client's rights. */
  variant: PlanVariant;
  /** Number of the operation's selections, with fragments expanded. */
  selections: number;
}

const maxDocumentBytes = 33_554_432;
/** Measured memory of the syntax nodes per token. */
const bytesPerToken = 200;
/**
 * Largest document, in bytes, that is cached on its first use. A larger document is cached only on its second use.
 * Otherwise large new documents would quickly fill the old generation of the heap. Garbage collection of the old
 * generation delays all requests.
 */
const maxFirstUseBytes = 131_072;

/**
 * Longest text that is itself the cache key. For a longer text, the key is its SHA-256 hash. V8 does not hash very long
 * strings. In a Map, V8 would compare such strings of equal length one by one.
 */
const maxKeyLength = 8_192;

export interface DocumentsOptions {
  federation: { readonly supergraph: GraphQLSchema; readonly planner: Planner };
  guard: LimitGuard;
  /** Limits the event loop's time for parsing new texts. */
  loopShare: LoopShare;
  /** Whether clients may introspect the schema. */
  introspection: boolean;
}

export function createDocuments({ federation, guard, loopShare, introspection }: DocumentsOptions): Documents {
  const { supergraph, planner } = federation;
  const documents = new SegmentedCache<KnownDocument>(maxDocumentBytes);
  const usedOnce = new LRUCache<string, true>({ max: 10_000 });
  const plans = createPlanCache(planner);
  const checkComplexity = createComplexityCheck({ supergraph, guard, introspection });

  const parseNew = (text: string, tokens: number): KnownDocument => {
    const document = parseCounted(text);
    const hash = sha256(text);
    const known = {
      hash,
      text,
      document,
      fragments: fragmentsOf(document),
      conditionVariables: text.includes('@') ? conditionVariables(document) : [],
      mayDefer: text.includes('defer'),
    };
    const bytes = 1_000 + 4 * text.length + bytesPerToken * tokens;
    if (bytes <= maxFirstUseBytes || usedOnce.has(hash)) documents.set(keyOf(text), known, bytes);
    else usedOnce.set(hash, true);
    return known;
  };

  /** Plan keys of operations whose plan depends only on their text and name. */
  const planKeys = new WeakMap<OperationDefinitionNode, string>();
  const planKeyOf = (
    known: KnownDocument,
    { definition, operationName, conditions, takesDeferred, variant }: KnownOperation,
  ): string => {
    const key = planKeys.get(definition);
    if (key !== undefined && variant.key === '' && !takesDeferred) return key;
    // The key is hashed, because the operation's name may be long.
    const fresh = sha256(JSON.stringify([known.hash, operationName, conditions, variant.key, takesDeferred]));
    if (known.conditionVariables.length === 0 && variant.key === '' && !takesDeferred) planKeys.set(definition, fresh);
    return fresh;
  };

  return {
    isKnown: (text) => documents.has(keyOf(text)),
    find: (text) => documents.get(keyOf(text)),
    async parse(text, requester) {
      const key = keyOf(text);
      const cached = documents.get(key);
      if (cached) return cached;
      // Counting the tokens and parsing are separate steps, so that the event loop can run other work between them.
      const work = { requester, bytes: 2 * text.length };
      const tokens = await loopShare.run(() => countTokens(text, guard), work);
      return loopShare.run(() => documents.get(key) ?? parseNew(text, tokens), work);
    },
    check: ({ fragments }, operation, variables) => checkComplexity(fragments, operation, variables),
    findPlan: (known, operation) => plans.find(planKeyOf(known, operation)),
    async plan(known, operation, requester) {
      const keyFor = (takesDeferred: boolean) => planKeyOf(known, { ...operation, takesDeferred });
      const plan = (takesDeferred: boolean) => {
        const { operationName, conditions, variant, selections } = operation;
        const request = { text: known.text, operationName, conditions, takesDeferred, variant };
        return plans.plan(keyFor(takesDeferred), { request, selections }, requester);
      };
      if (!operation.takesDeferred) return plan(false);
      try {
        return await plan(true);
      } catch (error) {
        // Planning takes longer with `@defer`. If planning takes too long, `@defer` is ignored, as the specification
        // allows.
        if (!isCodedError(error, 'OPERATION_TOO_COMPLEX')) throw error;
        const whole = await plan(false);
        // The plan without `@defer` is used from now on. Another attempt to plan `@defer` would again take too long,
        // and the planner's thread would have to be replaced.
        plans.reuse(keyFor(true), keyFor(false));
        return whole;
      }
    },
  };
}

function keyOf(text: string): string {
  return text.length > maxKeyLength ? sha256(text) : text;
}

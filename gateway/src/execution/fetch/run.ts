import type { GraphQLError } from 'graphql';
import type { GatewayContext } from '../../context.ts';
import { tooComplex } from '../../request/limits.ts';
import type { Trace } from '../../trace.ts';
import type { Data, OnConflict } from '../data/data.ts';
import type { ResponseLimit } from '../response/output.ts';
import type { Subgraph, SubgraphRequest } from '../subgraph/subgraph.ts';
import type { SubgraphResponse } from '../subgraph/subgraph-response.ts';

/** Subgraphs by name. */
export type Subgraphs = Readonly<Record<string, Subgraph>>;

export interface RunOptions {
  subgraphs: Subgraphs;
  /** The variables as the client sent them, without coercion. */
  variables: Readonly<Record<string, unknown>>;
  context: GatewayContext;
  limit: ResponseLimit | null;
}

/**
 * Maximum number of copied objects and lists, per byte that the response may have. Each object or list takes at least
 * two bytes of the response (`{}`).
 */
const copiesPerByte = 1 / 2;

/** The state of one execution, or of one deferred part of it. */
export class Run {
  readonly subgraphs: Subgraphs;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: GatewayContext;
  readonly limit: ResponseLimit | null;
  /** The merged data of all responses so far. */
  readonly data: Data;
  readonly errors: GraphQLError[] = [];
  /** The error with which the execution rejects, for example because a limit was exceeded. */
  failure: { error: unknown } | null = null;
  /**
   * For a deferred part, called if a fetched value conflicts with data that the client already has. Null for the
   * primary part.
   */
  readonly onConflict: OnConflict | null;
  hasConflict = false;
  /**
   * Fetched entities, which a later fetch of the same fields uses. The keys of the outer map are
   * `EntityFetch.sharedAs`, and the keys of the inner maps are representations.
   */
  #shared: Map<string, Map<string, Data>> | null = null;
  #copies = 0;
  /**
   * The run of the primary part, or this run if this run is the primary part. All parts use its `#shared` and
   * `#copies`.
   */
  readonly #whole: Run;
  /**
   * Resolves when the primary part is written. A deferred part must not merge data before that. Null for the primary
   * part.
   */
  readonly #mayMerge: Promise<unknown> | null;

  /**
   * @param part set for a deferred part. `of` is the run of the primary part. `mayMerge` resolves when data of the
   *   deferred part may be merged
   */
  constructor(
    { subgraphs, variables, context, limit }: RunOptions,
    data: Data,
    part: { of: Run; mayMerge: Promise<unknown> } | null = null,
  ) {
    this.subgraphs = subgraphs;
    this.variables = variables;
    this.context = context;
    this.limit = limit;
    this.data = data;
    this.#whole = part ? part.of : this;
    this.#mayMerge = part ? part.mayMerge : null;
    this.onConflict = part ? () => this.#noteConflict() : null;
  }

  #noteConflict(): void {
    this.hasConflict = true;
  }

  /** Sends a request to a subgraph. Throws the errors of `Subgraph.send`. */
  send(subgraph: string, request: SubgraphRequest): Promise<SubgraphResponse> {
    const found = this.subgraphs[subgraph];
    if (!found) throw new Error(`the supergraph has no subgraph ${subgraph}`);
    const { trace } = this.context;
    const response = trace
      ? sendTraced(found, subgraph, request, this.context, trace)
      : found.send(request, this.context);
    return this.#mayMerge ? awaitBoth(response, this.#mayMerge) : response;
  }

  /**
   * Returns the entities that earlier fetches with this mark have returned, by representation.
   *
   * @param mark value of `EntityFetch.sharedAs`, which is equal for fetches of the same fields
   */
  sharedBy(mark: string): Map<string, Data> {
    const whole = this.#whole;
    whole.#shared ??= new Map();
    const known = whole.#shared.get(mark) ?? new Map<string, Data>();
    whole.#shared.set(mark, known);
    return known;
  }

  /**
   * Counts a copied object or list. The number is limited to bound the memory, because one entity may be copied for
   * many objects.
   */
  readonly countCopy = (): void => {
    const whole = this.#whole;
    whole.#copies += 1;
    const { maxBytes = Number.POSITIVE_INFINITY } = this.limit ?? {};
    if (whole.#copies > maxBytes * copiesPerByte) throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
  };
}

async function awaitBoth<T>(response: Promise<T>, mayMerge: Promise<unknown>): Promise<T> {
  const [result] = await Promise.allSettled([response, mayMerge]);
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

async function sendTraced(
  subgraph: Subgraph,
  name: string,
  request: SubgraphRequest,
  context: GatewayContext,
  trace: Trace,
): Promise<SubgraphResponse> {
  const end = trace.start(name, request.query);
  let failed = true;
  try {
    const response = await subgraph.send(request, context);
    failed = false;
    return response;
  } finally {
    end(failed);
  }
}

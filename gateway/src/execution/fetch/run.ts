import type { GraphQLError } from 'graphql';
import type { GatewayContext } from '../../context.ts';
import { tooComplex } from '../../request/limits.ts';
import type { Trace } from '../../trace.ts';
import type { Data } from '../data/data.ts';
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

/** Objects and lists that may be copied per byte of the response limit: each takes at least two bytes of JSON. */
const copiesPerByte = 1 / 2;

/** The state of one execution. */
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
  /** Entities that fetches of the same fields share: by `EntityFetch.sharedAs`, and then by representation. */
  #shared: Map<string, Map<string, Data>> | null = null;
  #copies = 0;

  constructor({ subgraphs, variables, context, limit }: RunOptions, data: Data) {
    this.subgraphs = subgraphs;
    this.variables = variables;
    this.context = context;
    this.limit = limit;
    this.data = data;
  }

  /** Sends a request to a subgraph. Throws the errors of `Subgraph.send`. */
  send(subgraph: string, request: SubgraphRequest): Promise<SubgraphResponse> {
    const found = this.subgraphs[subgraph];
    if (!found) throw new Error(`the supergraph has no subgraph ${subgraph}`);
    const { trace } = this.context;
    return trace ? sendTraced(found, subgraph, request, this.context, trace) : found.send(request, this.context);
  }

  /** Returns the entities, by representation, that fetches with this `sharedAs` have returned. */
  sharedBy(mark: string): Map<string, Data> {
    this.#shared ??= new Map();
    const known = this.#shared.get(mark) ?? new Map<string, Data>();
    this.#shared.set(mark, known);
    return known;
  }

  /** Counts a copied object or list, to limit the memory: one entity may be copied for many objects. */
  readonly countCopy = (): void => {
    this.#copies += 1;
    const { maxBytes = Number.POSITIVE_INFINITY } = this.limit ?? {};
    if (this.#copies > maxBytes * copiesPerByte) throw tooComplex('MAX_RESPONSE_BYTES', maxBytes);
  };
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

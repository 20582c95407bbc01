import type { ExecutionResult, GraphQLError } from 'graphql';
import type { DeferredChunk } from './deferred-parts.ts';

/** The deferred parts of a result. */
export interface DeferredParts {
  /** Can be iterated once. The iteration throws if the operation fails. */
  readonly chunks: AsyncIterable<DeferredChunk>;
  /** Resolves when no request to a subgraph is in flight. */
  readonly settled: Promise<unknown>;
}

/** A result that keeps its data as JSON text, ready to be sent. Reading `data` parses the text each time. */
export class JsonResult implements ExecutionResult {
  declare readonly data: NonNullable<ExecutionResult['data']> | null;
  declare readonly errors?: readonly GraphQLError[];
  readonly #dataJson: string;
  readonly #deferred: DeferredParts | null;

  constructor(dataJson: string, errors: readonly GraphQLError[], deferred: DeferredParts | null = null) {
    this.#dataJson = dataJson;
    this.#deferred = deferred;
    if (errors.length > 0) this.errors = errors;
    Object.defineProperty(this, 'data', { enumerable: true, get: () => JSON.parse(dataJson) });
  }

  /** The JSON text of `data`. */
  get dataJson(): string {
    return this.#dataJson;
  }

  /** The parts that follow. Null if nothing was deferred, so that this result is complete. */
  get deferred(): DeferredParts | null {
    return this.#deferred;
  }
}

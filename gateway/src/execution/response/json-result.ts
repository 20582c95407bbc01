import type { ExecutionResult, GraphQLError } from 'graphql';

/** A result that keeps its data as JSON text, ready to be sent. Reading `data` parses the text each time. */
export class JsonResult implements ExecutionResult {
  declare readonly data: NonNullable<ExecutionResult['data']> | null;
  declare readonly errors?: readonly GraphQLError[];
  readonly #dataJson: string;

  constructor(dataJson: string, errors: readonly GraphQLError[]) {
    this.#dataJson = dataJson;
    if (errors.length > 0) this.errors = errors;
    Object.defineProperty(this, 'data', { enumerable: true, get: () => JSON.parse(dataJson) });
  }

  /** The JSON text of `data`. */
  get dataJson(): string {
    return this.#dataJson;
  }
}

import type { GraphQLError } from 'graphql';

/** All validation errors of a document. */
export class InvalidDocument extends Error {
  override readonly name = 'InvalidDocument';
  readonly errors: readonly GraphQLError[];

  constructor(errors: readonly GraphQLError[]) {
    super(errors[0]?.message ?? 'The document is not valid.');
    this.errors = errors;
  }
}

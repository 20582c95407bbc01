import { GraphQLError } from 'graphql';

/** What was thrown as a GraphQL error, for the error formatter to read: one that is none stands in `originalError`. */
export function wrappedError(error: unknown): GraphQLError {
  if (error instanceof GraphQLError) return error;
  return new GraphQLError((error as Error).message, { originalError: error as Error });
}

import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { GraphQLError, Source } from 'graphql';
import { InvalidDocument } from '../request/invalid-document.ts';
import { maxNesting, tooComplex } from '../request/limits.ts';
import type { Plan } from './plan.ts';
import type { PlanRequest } from './plan-operation.ts';
import type { PlannerResponse } from './planner-thread.ts';

/** A plan and its approximate memory in bytes. */
export interface PlannedOperation {
  plan: Plan;
  bytes: number;
}

/** graphql-js's limit for comparisons of fields with the same name. */
const maxComparisons = 500_000;

/**
 * Returns the plan from a response of the planner thread.
 *
 * @throws InvalidDocument, CodedError as `Planner.plan` does
 */
export function readPlannerResponse(message: PlannerResponse, { text }: PlanRequest): PlannedOperation {
  switch (message.kind) {
    case 'plan':
      return message;
    case 'invalid': {
      const source = new Source(text);
      throw new InvalidDocument(
        message.faults.map(
          ({ message, positions }) =>
            new GraphQLError(message, {
              source,
              positions,
              extensions: { code: 'GRAPHQL_VALIDATION_FAILED' satisfies PublicErrorCode },
            }),
        ),
      );
    }
    case 'too-deep':
      throw tooComplex('nesting', maxNesting);
    case 'too-complex':
      throw tooComplex('validation', maxComparisons);
    case 'unreachable':
      throw new CodedError<PublicErrorCode>('FIELD_UNREACHABLE', `No subgraph can be asked for ${message.field} here.`);
    case 'refused':
      throw new InvalidDocument(
        message.errors.map(({ code, message, path }) => new GraphQLError(message, { path, extensions: { code } })),
      );
    case 'failed':
      throw new Error(`the planner failed: ${message.message}`);
  }
}

import { CodedError } from '@voucher-gateway/platform/errors';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getIntrospectionQuery,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { type LimitGuard, maxNesting, tooComplex } from '../request/limits.ts';
import type { Variables } from '../request/variables.ts';
import { type Complexity, measureComplexity } from './complexity.ts';
import { createCostModel } from './cost-model.ts';
import { fragmentsOf } from './parse-document.ts';

type Fragments = Readonly<Record<string, FragmentDefinitionNode>>;

/**
 * The cost of introspection is limited to the cost of the full introspection query, times this factor. Tools send the
 * full introspection query.
 */
const introspectionAllowance = 1.25;

export interface ComplexityCheckOptions {
  supergraph: GraphQLSchema;
  guard: LimitGuard;
  /** Whether clients may introspect the schema. */
  introspection: boolean;
}

/**
 * Creates the function that checks an operation against the limits. The function returns the number of the operation's
 * selections, with fragments expanded. The function throws CodedError OPERATION_TOO_COMPLEX, or
 * GRAPHQL_VALIDATION_FAILED for introspection that is turned off. The measurements are cached per operation, unless the
 * cost depends on variables.
 */
export function createComplexityCheck({ supergraph, guard, introspection }: ComplexityCheckOptions) {
  const costs = createCostModel(supergraph);
  const complexities = new WeakMap<OperationDefinitionNode, Complexity>();
  const measure = (
    fragments: Fragments,
    operation: OperationDefinitionNode,
    options: { variables?: Variables; onVisit?: LimitGuard['checkVisited'] } = {},
  ) => measureComplexity({ schema: supergraph, costs, fragments, operation, variables: {}, ...options });

  const measureWithinLimits = (fragments: Fragments, operation: OperationDefinitionNode, variables: Variables) => {
    try {
      return measure(fragments, operation, { variables, onVisit: guard.checkVisited });
    } catch (error) {
      // In measure mode, long chains of nested fragments are allowed. Measuring such a chain recurses, and can exceed
      // the stack.
      if (error instanceof RangeError) throw tooComplex('nesting', maxNesting);
      throw error;
    }
  };
  const fullIntrospection = parse(getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true }));
  const [introspectionQuery] = fullIntrospection.definitions;
  const introspectionBudget =
    introspectionAllowance *
    measure(fragmentsOf(fullIntrospection), introspectionQuery as OperationDefinitionNode).introspectionCost;

  return (fragments: Fragments, operation: OperationDefinitionNode, variables: Variables): number => {
    const known = complexities.get(operation);
    const complexity =
      known && !known.dependsOnVariables ? known : measureWithinLimits(fragments, operation, variables);
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
  };
}

function introspectionRefused(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>(
    'GRAPHQL_VALIDATION_FAILED',
    'This gateway does not answer __schema and __type (INTROSPECTION=false).',
  );
}

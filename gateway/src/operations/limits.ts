import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** The limits of one operation: what counts, and what is the most of it. Named as their settings. */
export interface OperationLimits {
  /** Fields within fields. Introspection has a budget of its own. */
  MAX_DEPTH: number;
  MAX_ALIASES: number;
  /** Fields at the root, with the fragments' expanded. */
  MAX_ROOT_FIELDS: number;
  /** Tokens of the text; selections with the fragments expanded are held to it, too. */
  MAX_TOKENS: number;
  MAX_DIRECTIVES: number;
  /** Objects that the operation may return, weighted by `@cost` and `@listSize`. */
  MAX_COST: number;
  /** Bytes of the answer. */
  MAX_RESPONSE_BYTES: number;
}

/** A limit's name: a setting, or what no setting changes. */
export type LimitName = keyof OperationLimits | 'values' | 'nesting' | 'introspection' | 'validation' | 'planning';

/**
 * Brackets within brackets of a document, and values within values of its variables. No setting raises it: parsers and
 * serialisers recurse, and this is what their stacks are proven to hold.
 */
export const maxNesting = 200;

/** Values that an operation may return for each unit of MAX_COST: shaping them takes the event loop's time. */
const valuesPerCost = 5;

export interface LimitGuard {
  /**
   * Refuses an operation that has more than the limit; in `measure` mode it is only logged.
   *
   * @throws CodedError OPERATION_TOO_COMPLEX with `limit`, `maximum` and `actual`
   */
  check(limit: keyof OperationLimits | 'values', actual: number): void;
  /**
   * As `check` of MAX_TOKENS, of the selections that were looked at while an operation is measured. In `measure` mode
   * 20 times the limit is refused all the same: measuring takes the event loop's time.
   */
  checkVisited(visited: number): void;
  /** As `check`, of what is known to be over the limit, but not by how much. */
  exceed(limit: keyof OperationLimits | 'values', actual?: number): void;
}

/** Holds operations to limits, or measures only (`OPERATION_LIMITS=measure`). */
export function createLimitGuard(
  limits: OperationLimits,
  { mode, log }: { mode: 'enforce' | 'measure'; log: Log },
): LimitGuard {
  const maxVisited = mode === 'enforce' ? limits.MAX_TOKENS : 20 * limits.MAX_TOKENS;
  const maxima = { ...limits, values: valuesPerCost * limits.MAX_COST };
  const exceed: LimitGuard['exceed'] = (limit, actual) => {
    if (mode === 'enforce') throw tooComplex(limit, maxima[limit], actual);
    log.info({ limit, maximum: maxima[limit], actual }, 'an operation is over a limit (OPERATION_LIMITS=measure)');
  };
  return {
    check(limit, actual) {
      if (actual > maxima[limit]) exceed(limit, actual);
    },
    checkVisited(visited) {
      if (visited > maxVisited) throw tooComplex('MAX_TOKENS', limits.MAX_TOKENS, visited);
    },
    exceed,
  };
}

const whats: Record<LimitName, string> = {
  MAX_DEPTH: 'levels of fields',
  MAX_ALIASES: 'aliases',
  MAX_ROOT_FIELDS: 'fields at the root',
  MAX_TOKENS: 'tokens',
  MAX_DIRECTIVES: 'directives',
  MAX_COST: 'of cost',
  MAX_RESPONSE_BYTES: 'bytes in its answer',
  values: 'values in its answer',
  nesting: 'levels of brackets',
  introspection: 'of introspection cost',
  validation: 'comparisons between its fields',
  planning: 'ms of planning',
};

/** The error of an operation that is over a limit. */
export function tooComplex(limit: LimitName, maximum: number, actual?: number): CodedError<PublicErrorCode> {
  const figure = actual === undefined ? '' : ` (it has ${format(actual)})`;
  return new CodedError<PublicErrorCode>(
    'OPERATION_TOO_COMPLEX',
    `The operation has more than ${format(maximum)} ${whats[limit]}${figure}: ${limit}. Split it, or ask for less.`,
    // Counts of doubling fragments pass what JSON can hold.
    { details: { limit, maximum, ...(actual !== undefined && { actual: Math.min(actual, Number.MAX_SAFE_INTEGER) }) } },
  );
}

function format(figure: number): string {
  return Number.isFinite(figure) ? String(Math.ceil(figure)) : 'very many';
}

import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/** The limits of one operation, named as their settings. */
export interface OperationLimits {
  /** Levels of nested fields. Introspection has a separate budget. */
  MAX_DEPTH: number;
  MAX_ALIASES: number;
  /** Fields at the root, with fragments expanded. */
  MAX_ROOT_FIELDS: number;
  /** Tokens of the text. The same limit applies to selections, with fragments expanded. */
  MAX_TOKENS: number;
  MAX_DIRECTIVES: number;
  /** Objects that the operation may return, weighted by `@cost` and `@listSize`. */
  MAX_COST: number;
  /** Bytes of the response. */
  MAX_RESPONSE_BYTES: number;
}

/** A limit's name: a setting, or a fixed limit. */
export type LimitName = keyof OperationLimits | 'values' | 'nesting' | 'introspection' | 'validation' | 'planning';

/**
 * Limit of nested brackets in a document, and of nesting in its variables. Parsers and serialisers recurse, so deeper
 * nesting could exceed the stack. A test proves that this depth is safe.
 */
export const maxNesting = 200;

/**
 * An operation may return at most MAX_COST times this number of values. This limit exists because writing values blocks
 * the event loop.
 */
const valuesPerCost = 5;

export interface LimitGuard {
  /**
   * Refuses an operation that exceeds the limit. In `measure` mode the operation is only logged.
   *
   * @throws CodedError OPERATION_TOO_COMPLEX with `limit`, `maximum` and `actual`
   */
  check(limit: keyof OperationLimits | 'values', actual: number): void;
  /**
   * Called while an operation is measured. Refuses the operation if more selections than MAX_TOKENS were visited. In
   * `measure` mode the maximum is 20 times as high. Above this maximum, the operation is refused even in `measure`
   * mode, because measuring blocks the event loop.
   */
  checkVisited(visited: number): void;
  /**
   * Like `check`, for a limit that is known to be exceeded. `actual` is optional, because the number may be unknown.
   */
  exceed(limit: keyof OperationLimits | 'values', actual?: number): void;
}

/**
 * Creates the guard. It enforces the limits, or with `OPERATION_LIMITS=measure` only logs operations that exceed them.
 */
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
  planning: 'milliseconds of planning',
};

/** Creates the error of an operation that exceeds a limit. */
export function tooComplex(limit: LimitName, maximum: number, actual?: number): CodedError<PublicErrorCode> {
  const figure = actual === undefined ? '' : ` (it has ${format(actual)})`;
  return new CodedError<PublicErrorCode>(
    'OPERATION_TOO_COMPLEX',
    `The operation has more than ${format(maximum)} ${whats[limit]}${figure}: ${limit}. Split it, or ask for less.`,
    // Nested fragments can make the figure larger than the largest safe integer.
    { details: { limit, maximum, ...(actual !== undefined && { actual: Math.min(actual, Number.MAX_SAFE_INTEGER) }) } },
  );
}

function format(figure: number): string {
  return Number.isFinite(figure) ? String(Math.ceil(figure)) : 'very many';
}

import type { QueryPlan } from '@apollo/query-planner';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Grants } from '../supergraph/access-rules.ts';

/** Apollo's query plan, with additions for our executor. It can be sent to another thread. */
export interface Plan extends QueryPlan {
  /**
   * Aliases that the plan uses in place of the client's response keys, because the plan needs these keys itself. Keys
   * of root fields are never replaced.
   */
  renamedKeys?: Readonly<Record<string, string>>;
  /**
   * Fields that the client may not see, as `Type.field` by the type that they are selected of. They are null in the
   * response even if the plan fetches them, for example as parts of an entity's key.
   */
  hiddenFields?: readonly string[];
  /** Whether fragments are deferred, so that the result is sent in parts. */
  hasDeferred?: true;
  /** Errors of fields that are not fetched: the client may not see them, or no subgraph can be called for them. */
  errors?: readonly PlanError[];
}

/** A validation error of a document. */
export interface DocumentFault {
  message: string;
  /** Offsets in the text. */
  positions: readonly number[];
}

/** An error that every response to the operation has. */
export interface PlanError {
  code: PublicErrorCode;
  message: string;
  /** The client's response keys, with `@` for each list, because one error stands for all entries of the list. */
  path: readonly string[];
}

/** What a plan depends on besides the operation and its conditions. */
export interface PlanVariant {
  /** A text that is equal for equal variants; empty if the supergraph has no labels and no access rules. */
  key: string;
  /** The `@override` labels that are on. */
  overrides: readonly string[];
  /** The client's rights. Default: it may see only fields without access rules. */
  grants?: Grants;
}

import type { QueryPlan } from '@apollo/query-planner';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Grants } from '../supergraph/access-rules.ts';

/** Apollo's query plan, with additions for our executor. It can be sent to another thread. */
export interface Plan extends QueryPlan {
  /**
   * The client's aliases that the plan replaces, with their replacements. For example, in `{ id: title }` the alias
   * `id` becomes `own_id`, because the plan itself fetches the field `id`. Aliases of root fields are never replaced.
   */
  renamedKeys?: Readonly<Record<string, string>>;
  /**
   * Fields that the client may not see, as `Type.field`. `Type` is the type on which the field is selected. These
   * fields are null in the response, even if the plan fetches them as part of an entity's key.
   */
  hiddenFields?: readonly string[];
  /** Whether fragments are deferred, so that the result is sent in parts. */
  hasDeferred?: true;
  /** Errors of fields that are not fetched: the client may not see them, or no subgraph can return them. */
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
  /** The client's response keys, with `@` for each list: a single error covers all items of the list. */
  path: readonly string[];
}

/** The `@override` labels and grants for which an operation is planned. */
export interface PlanVariant {
  /** Identifies the variant in cache keys. Empty if the supergraph has no labels and no access rules. */
  key: string;
  /** The active `@override` labels. */
  overrides: readonly string[];
  /** The client's rights. Default: the client may see only fields without access rules. */
  grants?: Grants;
}

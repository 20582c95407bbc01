import type { QueryPlan } from '@apollo/query-planner';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Grants } from '../supergraph/access-rules.ts';

/** Apollo's query plan, with what its executor needs to know besides. It can be sent to another thread. */
export interface Plan extends QueryPlan {
  /** Response keys that the plan fetches under another one, because it needs them itself. Only for aliases below the root. */
  renamedKeys?: Readonly<Record<string, string>>;
  /**
   * Fields that the client may not see, as `Type.field` by the type that they are selected of. They are null even if the
   * plan fetches them for itself, such as the fields of a key.
   */
  hiddenFields?: readonly string[];
  /** Why fields are null: the client may not see them, or no subgraph can be asked for them. */
  errors?: readonly PlanError[];
}

/** A validation error of a document. */
export interface DocumentFault {
  message: string;
  /** Offsets in the text. */
  positions: readonly number[];
}

/** An error of every response to an operation. */
export interface PlanError {
  code: PublicErrorCode;
  message: string;
  /** The client's response keys; `@` for each list, because there is one error for all entries. */
  path: readonly string[];
}

/** What a plan depends on besides the operation and its conditions. */
export interface PlanVariant {
  /** Equal for equal variants; empty for the one of most supergraphs. */
  key: string;
  /** The `@override` labels that are on. */
  overrides: readonly string[];
  /** What the client may see. Default: what needs no authorisation. */
  grants?: Grants;
}

import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { session } from './tables.ts';

/** Which rows the user subgraph deletes. Signing keys are deleted when they are rotated. */
export const userRetentions: readonly Retention[] = [
  { name: 'sessions whose token has expired', keepMs: 0, deleteSome: deleteFrom(session, session.expiresAt) },
];

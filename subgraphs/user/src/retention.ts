import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { session } from './tables.ts';

/** The rules by which the user subgraph deletes old rows. Signing keys are deleted when they are rotated. */
export const userRetentions: readonly Retention[] = [
  { name: 'sessions whose token has expired', keepMs: 0, deleteSome: deleteFrom(session, session.expiresAt) },
];

import { deleteFrom, type Retention } from '@voucher-gateway/platform/housekeeping';
import { session } from './tables.ts';

/** What user deletes. Signing keys go when they are rotated. */
export const userRetentions: readonly Retention[] = [
  { name: 'sessions whose token has expired', keepMs: 0, deleteSome: deleteFrom(session, session.expiresAt) },
];

import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { idempotencyKey } from './tables.ts';

/** Expired keys are kept for this time, so that a retry that started before the expiry still finds its key. */
const afterExpiryMs = 300_000;

/** The rules by which the voucher subgraph deletes old rows. Requests and vouchers are kept. */
export const voucherRetentions: readonly Retention[] = [
  {
    name: 'expired idempotency keys',
    keepMs: afterExpiryMs,
    deleteSome: deleteFrom(idempotencyKey, idempotencyKey.expiresAt),
  },
];

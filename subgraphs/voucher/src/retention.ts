import { deleteFrom, type Retention } from '@voucher-gateway/platform/database/housekeeping';
import { idempotencyKey } from './tables.ts';

/** A retry that started before its key expired must still find it. */
const afterExpiryMs = 300_000;

/** The rows that the voucher subgraph deletes. Requests and vouchers are kept. */
export const voucherRetentions: readonly Retention[] = [
  {
    name: 'expired idempotency keys',
    keepMs: afterExpiryMs,
    deleteSome: deleteFrom(idempotencyKey, idempotencyKey.expiresAt),
  },
];

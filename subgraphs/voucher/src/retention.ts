import { deleteFrom, type Retention } from '@voucher-gateway/platform/housekeeping';
import { idempotencyKey } from './tables.ts';

/** A repeat that began before its key expired must find it. */
const afterExpiryMs = 300_000;

/** What voucher deletes: requests and vouchers stay. */
export const voucherRetentions: readonly Retention[] = [
  {
    name: 'expired idempotency keys',
    keepMs: afterExpiryMs,
    deleteSome: deleteFrom(idempotencyKey, idempotencyKey.expiresAt),
  },
];

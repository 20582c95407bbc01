import type { RefObject } from 'react';
import { Link } from 'wouter';
import type { PurchasedVouchersQuery } from '../graphql/generated.ts';
import { DeliveryChip } from '../requests/delivery-state.tsx';
import { CopyButton } from '../ui/copy-button.tsx';
import { formatDuration } from '../ui/duration.ts';
import { timeText } from '../ui/time-text.ts';

type ReadVoucher = PurchasedVouchersQuery['purchasedVouchers']['nodes'][number];

/** A voucher. If it has arrived since the list was read, its deliveries are not known yet. */
export type Voucher = Omit<ReadVoucher, 'deliveries'> & Partial<Pick<ReadVoucher, 'deliveries'>>;

interface VoucherTableProps {
  list: RefObject<HTMLElement | null>;
  vouchers: readonly Voucher[];
  isBusy: boolean;
  /** Whether `vouchers` are still those of the previous page, while another page is read. */
  isPrevious: boolean;
}

/** A table with one row per voucher. A row's link leads to the request's timeline. */
export function VoucherTable({ list, vouchers, isBusy, isPrevious }: VoucherTableProps) {
  return (
    <table className="table" aria-busy={isBusy} data-previous={isPrevious}>
      <thead>
        <tr>
          <th scope="col">Code</th>
          <th scope="col">Received</th>
          <th scope="col">Took</th>
          <th scope="col">Delivery</th>
          <th scope="col">
            <span className="visually-hidden">Details</span>
          </th>
        </tr>
      </thead>
      <tbody ref={list as RefObject<HTMLTableSectionElement | null>}>
        {vouchers.map((voucher) => (
          <tr key={voucher.id}>
            <td data-label="Code">
              <code>{voucher.code}</code> <CopyButton label="Copy" text={voucher.code} className="button quiet small" />
            </td>
            <td data-label="Received">
              <time dateTime={voucher.receivedAt}>{timeText(Date.parse(voucher.receivedAt))}</time>
            </td>
            <td data-label="Took">
              <span className="chips">
                {formatDuration(Date.parse(voucher.receivedAt) - Date.parse(voucher.requestedAt))}
                {voucher.status === 'LATE_SUCCESS' && <span className="chip late">Late</span>}
              </span>
            </td>
            <td data-label="Delivery">
              <Deliveries voucher={voucher} />
            </td>
            <td>
              <Link href={`/requests/${voucher.requestId}`}>Timeline</Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Deliveries({ voucher: { deliveries } }: { voucher: Voucher }) {
  if (deliveries === undefined) return null;
  if (deliveries === null) return 'not known at the moment';
  if (deliveries.length === 0) return <span className="hint">no callback URL given</span>;
  return (
    <span className="chips">
      {deliveries.map((delivery) => (
        <DeliveryChip key={delivery.id} delivery={delivery} />
      ))}
    </span>
  );
}

import { Link } from 'wouter';
import type { PurchasedVouchersQuery } from '../graphql/generated.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { formatDuration, formatTime } from '../ui/format.ts';

type Voucher = PurchasedVouchersQuery['purchasedVouchers']['nodes'][number];

/** A row per voucher; its link leads to the request's timeline. */
export function VoucherTable({ vouchers, isStale }: { vouchers: readonly Voucher[]; isStale: boolean }) {
  return (
    <table className="table" aria-busy={isStale}>
      <thead>
        <tr>
          <th scope="col">Code</th>
          <th scope="col">Received</th>
          <th scope="col">Took</th>
          <th scope="col">Sent by</th>
          <th scope="col">
            <span className="visually-hidden">Details</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {vouchers.map((voucher) => (
          <tr key={voucher.id}>
            <td data-label="Code">
              <code>{voucher.code}</code> <CopyButton label="Copy" text={voucher.code} className="button quiet small" />
            </td>
            <td data-label="Received">
              <time dateTime={voucher.receivedAt}>{formatTime(Date.parse(voucher.receivedAt))}</time>
            </td>
            <td data-label="Took">
              {formatDuration(Date.parse(voucher.receivedAt) - Date.parse(voucher.requestedAt))}
              {voucher.status === 'LATE_SUCCESS' && <span className="chip late">Late</span>}
            </td>
            <td data-label="Sent by">{deliveriesText(voucher)}</td>
            <td>
              <Link href={`/requests/${voucher.requestId}`}>Timeline</Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const channelNames = { CALLBACK: 'callback', SMS: 'SMS' } as const;

function deliveriesText({ deliveries }: Voucher): string {
  if (deliveries === null) return 'not known at the moment';
  if (deliveries.length === 0) return 'this page only';
  return deliveries.map(({ channel, status }) => `${channelNames[channel]} (${status.toLowerCase()})`).join(', ');
}

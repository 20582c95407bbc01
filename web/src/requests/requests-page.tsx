import { useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { useLocation } from 'wouter';
import { useCommands } from '../api/commands.tsx';
import { useReceiverUrl } from '../callbacks/receiver.ts';
import {
  VoucherReceivedDocument,
  VoucherRequestAcknowledgedDocument,
  VoucherRequestFailedDocument,
  VoucherRequestsDocument,
} from '../graphql/generated.ts';
import { pageSettings } from '../page-settings.ts';
import { Skeleton } from '../ui/notice.tsx';
import { newestRequests, pageSize } from './newest-requests.ts';
import { RequestDetails } from './request-details.tsx';
import { RequestForm } from './request-form.tsx';
import { RequestList } from './request-list.tsx';

/** The view to request a voucher and follow the request. The URL contains the id of the request whose details are shown. */
export function RequestsPage({ id }: { id: string | null }) {
  const [, navigate] = useLocation();
  const receiverUrl = useReceiverUrl();
  const [requested, setRequested] = useState<string | null>(null);
  // Without an id in the URL, the page shows the newest request. This state keeps the id of that request, so later
  // requests do not replace it.
  const [newest, setNewest] = useState<string | null>(null);
  const chosen = id ?? requested;
  const [{ data, fetching }] = useQuery(newestRequests);
  const shown = chosen ?? newest;
  const first = data?.voucherRequests.nodes[0]?.id ?? null;
  if (shown === null && first !== null) setNewest(first);
  useEffect(() => {
    if (id !== null) return;
    setRequested(null);
    setNewest(null);
  }, [id]);
  useCommands(liveCommands);
  return (
    <div className="requests">
      <RequestForm
        receiverUrl={pageSettings.testReceiver ? receiverUrl : null}
        onRequested={(newId) => {
          setRequested(newId);
          navigate(`/requests/${newId}`);
        }}
      />
      <div className="request-shown">
        {shown ? (
          <RequestDetails key={shown} id={shown} isChosen={chosen !== null} />
        ) : fetching && !data ? (
          <Skeleton rows={5} label="Reading your newest request" />
        ) : (
          <div className="empty tall">
            <strong>Each step, as it happens</strong>
            <p>Request a voucher: its timeline is shown here.</p>
          </div>
        )}
      </div>
      <RequestList current={shown} />
    </div>
  );
}

const liveCommands = [
  { label: 'List your requests', document: VoucherRequestsDocument, variables: { first: pageSize } },
  { label: 'Follow codes live', document: VoucherReceivedDocument },
  { label: 'Follow acknowledgements live', document: VoucherRequestAcknowledgedDocument },
  { label: 'Follow failures live', document: VoucherRequestFailedDocument },
];

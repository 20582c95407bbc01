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
import { timeZoneName } from '../ui/format.ts';
import { Skeleton } from '../ui/notice.tsx';
import { newestRequests, pageSize } from './newest-requests.ts';
import { RequestDetails } from './request-details.tsx';
import { RequestForm } from './request-form.tsx';
import { RequestList } from './request-list.tsx';

/** Request a voucher, and follow it. The address names the request that is shown. */
export function RequestsPage({ id }: { id: string | null }) {
  const [, navigate] = useLocation();
  const receiverUrl = useReceiverUrl();
  const [requested, setRequested] = useState<string | null>(null);
  const chosen = id ?? requested;
  const [{ data, fetching }] = useQuery(newestRequests);
  const shown = chosen ?? data?.voucherRequests.nodes[0]?.id ?? null;
  useEffect(() => {
    if (id === null) setRequested(null);
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
      <section className="request-list" aria-labelledby="requests">
        <h2 id="requests">Your requests</h2>
        <p className="hint">Times are in your time zone, {timeZoneName()}.</p>
        <RequestList current={shown} />
      </section>
    </div>
  );
}

const liveCommands = [
  { label: 'List your requests', document: VoucherRequestsDocument, variables: { first: pageSize } },
  { label: 'Follow codes live', document: VoucherReceivedDocument },
  { label: 'Follow acknowledgements live', document: VoucherRequestAcknowledgedDocument },
  { label: 'Follow failures live', document: VoucherRequestFailedDocument },
];

import { useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { useLocation } from 'wouter';
import { useReceiverUrl } from '../callbacks/receiver.ts';
import {
  VoucherReceivedDocument,
  VoucherRequestAcknowledgedDocument,
  VoucherRequestFailedDocument,
  VoucherRequestsDocument,
} from '../graphql/generated.ts';
import { pageSettings } from '../page-settings.ts';
import { CopyCurl } from '../ui/copy-curl.tsx';
import { newestRequests } from './newest-requests.ts';
import { RequestDetails } from './request-details.tsx';
import { RequestForm } from './request-form.tsx';
import { RequestList } from './request-list.tsx';

/** Request a voucher, and follow it. The address names the request that is shown. */
export function RequestsPage({ id }: { id: string | null }) {
  const [, navigate] = useLocation();
  const receiverUrl = useReceiverUrl();
  const [requested, setRequested] = useState<string | null>(null);
  const chosen = id ?? requested;
  const [{ data }] = useQuery(newestRequests);
  const shown = chosen ?? data?.voucherRequests.nodes[0]?.id ?? null;
  useEffect(() => {
    if (id === null) setRequested(null);
  }, [id]);
  return (
    <div className="columns">
      <div>
        <h1>Request a voucher</h1>
        <RequestForm
          receiverUrl={pageSettings.testReceiver ? receiverUrl : null}
          onRequested={(newId) => {
            setRequested(newId);
            navigate(`/requests/${newId}`);
          }}
        />
        <div className="heading-row">
          <h2>Your requests</h2>
          <CopyCurl
            commands={[
              { label: 'List your requests', document: VoucherRequestsDocument, variables: { first: 10 } },
              { label: 'Follow codes live', document: VoucherReceivedDocument },
              { label: 'Follow acknowledgements live', document: VoucherRequestAcknowledgedDocument },
              { label: 'Follow failures live', document: VoucherRequestFailedDocument },
            ]}
          />
        </div>
        <RequestList current={shown} />
      </div>
      <div>
        {shown ? (
          <RequestDetails key={shown} id={shown} isChosen={chosen !== null} />
        ) : (
          <div className="empty tall">
            <strong>Each step, as it happens</strong>
            <p>Request a voucher: its timeline is shown here.</p>
          </div>
        )}
      </div>
    </div>
  );
}

import { useEffect, useRef } from 'react';
import { Link, useLocation } from 'wouter';
import { useLive } from './live/live-context.tsx';
import { CopyButton } from './ui/copy-button.tsx';
import { useMessages } from './ui/messages.tsx';

/** Tells of each code and failure as it arrives, wherever in the page the user is. */
export function Announcer() {
  const { last } = useLive();
  const { show } = useMessages();
  const [path] = useLocation();
  const told = useRef(last);
  useEffect(() => {
    if (!last || told.current === last) return;
    told.current = last;
    const requestId = last.kind === 'failure' ? last.failure.requestId : last.arrival.voucher.requestId;
    // The request that is shown announces its outcome itself.
    if (path === `/requests/${requestId}`) return;
    if (last.kind === 'failure')
      return show({
        kind: 'failed',
        text: <Link href={`/requests/${requestId}`}>A request failed: {last.failure.message}</Link>,
      });
    const { code } = last.arrival.voucher;
    show({
      kind: 'done',
      text: (
        <>
          <Link href={`/requests/${requestId}`}>Your voucher code is here</Link>
          <span className="toast-code">
            <code>{code}</code> <CopyButton label="Copy" text={code} className="button quiet small" />
          </span>
        </>
      ),
    });
  }, [last, show, path]);
  return null;
}

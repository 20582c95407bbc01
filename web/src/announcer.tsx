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
    if (last.kind === 'failure')
      return show({
        kind: 'failed',
        text: <Link href={`/requests/${last.failure.requestId}`}>A request failed: {last.failure.message}</Link>,
      });
    const { code, requestId } = last.arrival.voucher;
    // The request that is shown announces its code itself.
    if (path === `/requests/${requestId}`) return;
    show({
      kind: 'done',
      text: (
        <>
          <Link href={`/requests/${requestId}`}>
            Your voucher code is here: <code>{code}</code>
          </Link>{' '}
          <CopyButton label="Copy" text={code} className="button quiet small" />
        </>
      ),
    });
  }, [last, show, path]);
  return null;
}

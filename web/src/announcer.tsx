import { useEffect, useRef, useState } from 'react';
import { Link, useLocation, useSearch } from 'wouter';
import { type Arrival, useLive } from './live/live-context.tsx';
import { CopyButton } from './ui/copy-button.tsx';
import { useMessages } from './ui/messages.tsx';

/** Limit of codes in the log for screen readers. */
const maxSpoken = 20;

/**
 * Announces each code and failure as it arrives, by a message. If the list already shows the code or failure, only
 * screen readers get the message.
 */
export function Announcer() {
  const { last, arrivals } = useLive();
  const { show } = useMessages();
  const [path] = useLocation();
  const search = useSearch();
  const isRequestListShown = path === '/' || path.startsWith('/requests');
  const isListShown = isRequestListShown || (path === '/vouchers' && search === '');
  const known = useRef(new Set<string>());
  // The codes in the message that is currently shown.
  const unseen = useRef<Arrival[]>([]);
  const [spoken, setSpoken] = useState<Arrival[]>([]);
  useEffect(() => {
    const arrived = [...arrivals.values()].filter(({ voucher }) => !known.current.has(voucher.id));
    known.current = new Set([...arrivals.values()].map(({ voucher }) => voucher.id));
    // If the details of a request are on screen, the details announce its code. So this component does not announce the
    // code again.
    const others = arrived.filter(({ voucher }) => path !== `/requests/${voucher.requestId}`);
    if (others.length === 0) return;
    if (isListShown) return setSpoken((before) => [...before, ...others].slice(-maxSpoken));
    unseen.current = [...unseen.current, ...others];
    show({
      kind: 'done',
      topic: 'codes',
      text: <NewCodes arrivals={unseen.current} />,
      onClose: () => {
        unseen.current = [];
      },
    });
  }, [arrivals, show, path, isListShown]);

  const announced = useRef(last);
  useEffect(() => {
    if (!last || announced.current === last) return;
    announced.current = last;
    if (last.kind !== 'failure' || isRequestListShown) return;
    const { requestId, message } = last.failure;
    show({ kind: 'failed', text: <Link href={`/requests/${requestId}`}>A request failed: {message}</Link> });
  }, [last, show, isRequestListShown]);

  return (
    <div role="log" className="visually-hidden" aria-label="Announcements">
      {spoken.map(({ voucher }) => (
        <p key={voucher.id}>
          Your voucher code is here: <code>{voucher.code}</code>
        </p>
      ))}
    </div>
  );
}

function NewCodes({ arrivals }: { arrivals: readonly Arrival[] }) {
  const [first] = arrivals;
  if (!first || arrivals.length > 1) return <Link href="/vouchers">{arrivals.length} new codes</Link>;
  const { code, requestId } = first.voucher;
  return (
    <>
      <Link href={`/requests/${requestId}`}>Your voucher code is here</Link>
      <span className="toast-code">
        <code>{code}</code> <CopyButton label="Copy" text={code} className="button quiet small" />
      </span>
    </>
  );
}

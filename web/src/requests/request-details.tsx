import { Switch } from 'radix-ui';
import { useEffect, useId, useRef, useState } from 'react';
import { useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { operationErrorOf } from '../graphql/errors.ts';
import { type DeliveryDetailsFragment, RedeliverDocument, VoucherRequestDocument } from '../graphql/generated.ts';
import { useIsLive, useLive } from '../live/live-context.tsx';
import { LoadNotice } from '../live/load-notice.tsx';
import { usePaused } from '../live/paused-context.tsx';
import { useLiveQuery } from '../live/use-live-query.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { ListState } from '../ui/list-state.tsx';
import { useMessages } from '../ui/messages.tsx';
import { EmptyState, Skeleton } from '../ui/notice.tsx';
import { timeText } from '../ui/time-text.ts';
import { CallbackNotice } from './callback-notice.tsx';
import { isFailingCallback } from './delivery-state.tsx';
import { failureOf } from './failure.ts';
import { StatusChip } from './status-chip.tsx';
import { type RequestDetails as Details, refreshMs, timelineOf } from './timeline.ts';
import { TimelineView } from './timeline-view.tsx';

/** A request with its code and its timeline, updated live unless paused. */
export function RequestDetails({ id, isChosen }: { id: string; isChosen: boolean }) {
  const { arrivals, acknowledgements } = useLive();
  const arrival = arrivals.get(id);
  const [paused, setPaused] = usePaused();
  const { data, error, isReading, reread } = useLiveQuery({
    query: VoucherRequestDocument,
    variables: { id },
    pause: paused,
  });
  const retry = () => void reread();
  const shown = data?.voucherRequest;
  useCommands([
    { label: 'Read this request', document: VoucherRequestDocument, variables: { id } },
    ...(shown?.deliveries ?? []).map((delivery) => ({
      label: sendAgainOf(delivery),
      document: RedeliverDocument,
      variables: { deliveryId: delivery.id },
    })),
  ]);
  const isRefreshed = useRefresh(shown ?? null, paused, retry);
  const [isAwaited, setAwaited] = useState(false);
  if (shown?.status === 'PENDING' && !isAwaited) setAwaited(true);

  if (error && !shown) return <LoadNotice what="this request" error={error} onRetry={retry} />;
  if (!shown && isReading) return <Skeleton rows={5} label="Reading the request" />;
  if (!shown)
    return (
      <EmptyState title="There is no such request">
        It may belong to another account, or its address is incomplete.
      </EmptyState>
    );
  const failing = shown.deliveries?.filter(isFailingCallback) ?? [];
  const others = shown.deliveries?.filter((delivery) => !failing.includes(delivery) && isTried(delivery)) ?? [];
  return (
    <article
      ref={isChosen ? scrollIntoView : undefined}
      className="card details"
      data-awaited={isAwaited}
      aria-labelledby={`request-${id}`}
    >
      <header>
        <h2 id={`request-${id}`}>Request of {timeText(Date.parse(shown.requestedAt))}</h2>
        <StatusChip request={shown} arrival={arrival} />
      </header>
      <Code request={shown} code={shown.voucher?.code ?? arrival?.voucher.code ?? null} />
      <div className="list-head">
        <PauseSwitch paused={paused} isDone={!isRefreshed && isDone(shown)} onChange={setPaused} />
        <ListState error={error} onRetry={retry} />
      </div>
      {failing.map((delivery) => (
        <CallbackNotice key={delivery.id} delivery={delivery}>
          {delivery.status === 'FAILED' && <RedeliverButton delivery={delivery} onDone={retry} />}
        </CallbackNotice>
      ))}
      <TimelineView entries={timelineOf(shown, arrival, acknowledgements.get(id))} paused={paused} />
      {shown.deliveries === null && (
        <p className="hint">Callbacks and SMS can’t be shown at the moment. They are sent all the same.</p>
      )}
      {others.length > 0 && (
        <footer>
          {others.map((delivery) => (
            <RedeliverButton key={delivery.id} delivery={delivery} onDone={retry} />
          ))}
        </footer>
      )}
    </article>
  );
}

/** Scrolls to the details on a small screen. There the details are below the form, and may be out of view. */
function scrollIntoView(element: HTMLElement | null) {
  if (matchMedia('(max-width: 56rem)').matches) element?.scrollIntoView({ block: 'start' });
}

/** Shows the code in large letters, or what is known about a request without a code. */
function Code({ request, code }: { request: Details; code: string | null }) {
  return (
    <div className="code-box" data-status={code ? 'FULFILLED' : request.status} aria-live="polite">
      {code ? (
        <>
          <output className="code" aria-label="Voucher code">
            {code}
          </output>
          <CopyButton label="Copy code" text={code} className="button primary" />
        </>
      ) : (
        <Expectation request={request} />
      )}
    </div>
  );
}

/** Shows what is known about a request without a code, and what the user may do. */
function Expectation({ request }: { request: Details }) {
  if (request.status === 'FAILED') {
    const { text, advice } = failureOf(request);
    return (
      <p>
        <strong>{text}</strong> {advice}
      </p>
    );
  }
  const isLate = Date.parse(request.expectedBy) < Date.now();
  const withinMs = Date.parse(request.expectedBy) - Date.parse(request.requestedAt);
  return (
    <p>
      {isLate
        ? `${request.message.replace(/[^.]$/, '$&.')} It also appears here.`
        : `Your code should be here within ${Math.round(withinMs / 1_000)} seconds.`}{' '}
      You can leave this page.
    </p>
  );
}

/**
 * Some changes of a request are reported by no event. While such a change is expected, reads the request again. Returns
 * whether such a change is expected.
 */
function useRefresh(request: Details | null, paused: boolean, read: () => void): boolean {
  const latest = useRef(read);
  latest.current = read;
  const isLive = useIsLive();
  const delayMs = request && !paused ? refreshMs(request, Date.now(), isLive) : null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: each answer sets the next timer, even an equal answer.
  useEffect(() => {
    if (delayMs === null) return;
    const timer = setTimeout(() => latest.current(), delayMs);
    return () => clearTimeout(timer);
  }, [request, delayMs]);
  return delayMs !== null;
}

/** Whether a request has its outcome, and none of its deliveries is still sent. */
function isDone({ status, deliveries }: Details): boolean {
  return status !== 'PENDING' && !deliveries?.some((delivery) => delivery.status === 'PENDING');
}

interface PauseSwitchProps {
  paused: boolean;
  /** Whether no further update is expected. */
  isDone: boolean;
  onChange(paused: boolean): void;
}

function PauseSwitch({ paused, isDone, onChange }: PauseSwitchProps) {
  const id = useId();
  const [pausedAt, setPausedAt] = useState(0);
  const change = (live: boolean) => {
    setPausedAt(Date.now());
    onChange(!live);
  };
  return (
    <span className="switch-row">
      <Switch.Root id={id} className="switch" checked={!paused} disabled={isDone && !paused} onCheckedChange={change}>
        <Switch.Thumb className="switch-thumb" />
      </Switch.Root>
      <label htmlFor={id}>
        Update automatically
        {paused ? `: off, as of ${timeText(pausedAt)}` : isDone && ': done'}
      </label>
    </span>
  );
}

/** Whether an attempt was made. Only then can the user send the delivery again. */
function isTried({ status, attempts }: DeliveryDetailsFragment): boolean {
  return status !== 'SIMULATED' && attempts.length > 0;
}

function sendAgainOf({ channel }: Pick<DeliveryDetailsFragment, 'channel'>): string {
  return channel === 'CALLBACK' ? 'Send the callback again' : 'Send the SMS again';
}

function RedeliverButton({ delivery, onDone }: { delivery: DeliveryDetailsFragment; onDone(): void }) {
  const client = useClient();
  const { show } = useMessages();
  const redeliver = async () => {
    const { error } = await client.mutation(RedeliverDocument, { deliveryId: delivery.id });
    if (error) return show({ kind: 'failed', text: operationErrorOf(error).message });
    show({
      kind: 'done',
      text: delivery.channel === 'CALLBACK' ? 'The callback is sent again.' : 'The SMS is sent again.',
    });
    onDone();
  };
  return (
    <button type="button" className="button quiet" disabled={delivery.status === 'PENDING'} onClick={redeliver}>
      {sendAgainOf(delivery)}
    </button>
  );
}

import { type RefObject, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { CallbackSecretDocument } from '../graphql/generated.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { useHeldRows } from '../ui/held-rows.ts';
import { ListState } from '../ui/list-state.tsx';
import { EmptyState } from '../ui/notice.tsx';
import { preciseTimeText } from '../ui/time-text.ts';
import { type ReceivedRequest, readReceived, useReceiverUrl } from './receiver.ts';
import { type Check, previousSecretTitle, verifySteps } from './verify-signature.ts';

/**
 * Shows the requests that the gateway's built-in receiver has stored, and verifies them step by step. The receiver is
 * for development.
 */
export function ReceiverView() {
  const url = useReceiverUrl();
  const { requests, isAway } = useReceived(url);
  const secrets = useSecrets();
  const { list, rows, held, show } = useHeldRows(requests, url);
  const duplicates = duplicatesOf(requests);
  return (
    <section className="card receiver" aria-labelledby="receiver">
      <div className="list-head">
        <h2 id="receiver">Test receiver</h2>
        <ListState held={held} what="callback" onShow={show} />
      </div>
      <p className="hint">
        A receiver inside this gateway, for development only. Give its URL when you request a voucher, or send a test
        callback to it; what comes in is shown here for an hour.
      </p>
      <div className="field-row">
        <code className="url">{url}</code>
        <CopyButton label="Copy URL" text={url} />
      </div>
      {isAway && (
        <p className="notice failed" role="alert">
          The receiver does not answer. This page tries again each second.
        </p>
      )}
      {rows.length === 0 ? (
        <EmptyState title="Nothing received yet">Signed requests appear here as they arrive.</EmptyState>
      ) : (
        <ol ref={list as RefObject<HTMLOListElement | null>} className="received">
          {rows.map((request) => (
            <Received key={request.id} request={request} secrets={secrets} isDuplicate={duplicates.has(request.id)} />
          ))}
        </ol>
      )}
    </section>
  );
}

/** Returns the ids of requests whose `webhook-id` an earlier request also has. `requests` has the newest request first. */
function duplicatesOf(requests: readonly ReceivedRequest[]): ReadonlySet<string> {
  const webhookIds = requests.map(({ headers }) => headers['webhook-id']);
  const isDuplicate = (webhookId: string | undefined, index: number) =>
    webhookId !== undefined && webhookIds.indexOf(webhookId, index + 1) !== -1;
  return new Set(requests.filter((_, index) => isDuplicate(webhookIds[index], index)).map(({ id }) => id));
}

function Received({
  request,
  secrets,
  isDuplicate,
}: {
  request: ReceivedRequest;
  secrets: Secrets | null;
  isDuplicate: boolean;
}) {
  const [checks, setChecks] = useState<Check[]>([]);
  useEffect(() => {
    if (secrets === null) return;
    let left = false;
    verifySteps(request, secrets, isDuplicate).then(
      (steps) => !left && setChecks(steps),
      () =>
        !left && setChecks([{ title: 'It could not be verified', detail: 'The secret is not valid.', passed: false }]),
    );
    return () => {
      left = true;
    };
  }, [request, secrets, isDuplicate]);
  return (
    <li>
      <header>
        <strong>{typeOf(request)}</strong>
        <time dateTime={request.at}>{preciseTimeText(Date.parse(request.at))}</time>
        <Verdict checks={checks} isDuplicate={isDuplicate} />
      </header>
      <ul className="checks">
        {checks.map(({ title, detail, passed }) => (
          <li key={title} data-passed={passed ?? 'neutral'}>
            <strong>{title}</strong>
            <p>{detail}</p>
          </li>
        ))}
      </ul>
      {checks.some(({ passed }) => passed === false) && (
        <p className="notice failed">What a server does: it answers 401, and does not use what was sent.</p>
      )}
      <details>
        <summary>Headers and body</summary>
        <pre>
          {Object.entries(request.headers)
            .map(([name, value]) => `${name}: ${value}`)
            .join('\n')}
          {`\n\n${request.body}`}
        </pre>
      </details>
    </li>
  );
}

interface Secrets {
  secret: string;
  previousSecret: string | null;
}

/** Returns the user's secret, and the previous one if the secret was rotated while the view was open. */
function useSecrets(): Secrets | null {
  const [{ data }] = useQuery({ query: CallbackSecretDocument });
  const secret = data?.me?.callbackSecret ?? null;
  const [secrets, setSecrets] = useState<Secrets | null>(null);
  useEffect(() => {
    if (secret !== null)
      setSecrets((before) => (before?.secret === secret ? before : { secret, previousSecret: before?.secret ?? null }));
  }, [secret]);
  return secrets;
}

/** Returns the type of the event, or a text that the type is missing. */
function typeOf({ body }: ReceivedRequest): string {
  try {
    const { type } = JSON.parse(body) as { type?: unknown };
    if (typeof type === 'string') return type.slice(0, 64);
  } catch {
    // The body may be anything, because anybody may post to a receiver.
  }
  return 'The event type is missing';
}

/** Shows the result of the checks in a word. */
function Verdict({ checks, isDuplicate }: { checks: readonly Check[]; isDuplicate: boolean }) {
  if (checks.length === 0) return null;
  if (checks.some(({ passed }) => passed === false)) return <span className="chip failed">Not verified</span>;
  if (checks.some(({ title }) => title === previousSecretTitle))
    return <span className="chip late">Previous secret</span>;
  return isDuplicate ? <span className="chip late">Duplicate</span> : <span className="chip done">Verified</span>;
}

/** Reads the requests of the receiver each second while the view is on screen. */
function useReceived(url: string): { requests: ReceivedRequest[]; isAway: boolean } {
  const [received, setReceived] = useState<{ requests: ReceivedRequest[]; isAway: boolean }>({
    requests: [],
    isAway: false,
  });
  useEffect(() => {
    const stop = new AbortController();
    const read = async () => {
      while (!stop.signal.aborted) {
        try {
          const requests = await readReceived(url, stop.signal);
          setReceived((before) =>
            !before.isAway && JSON.stringify(before.requests) === JSON.stringify(requests)
              ? before
              : { requests, isAway: false },
          );
        } catch {
          if (!stop.signal.aborted) setReceived((before) => ({ ...before, isAway: true }));
        }
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    };
    void read();
    return () => stop.abort();
  }, [url]);
  return received;
}

import { type FormEvent, useState } from 'react';
import { useClient, useQuery } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { EndpointsDocument, RecoverDeliveriesDocument } from '../graphql/generated.ts';
import { DateField } from '../ui/date-field.tsx';
import { useMessages } from '../ui/messages.tsx';
import { ErrorNotice } from '../ui/notice.tsx';
import { minuteText, parseMinute } from '../ui/time-text.ts';

const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();

/**
 * Sends failed deliveries again, for example after an outage of the receiver. The user chooses a time, and only
 * deliveries that were created since that time are sent.
 */
export function RecoverCard() {
  const client = useClient();
  const { show } = useMessages();
  const [{ data }] = useQuery({ query: EndpointsDocument });
  const failing = (data?.me?.endpoints ?? []).flatMap(({ failingSince }) => failingSince ?? []).map(Date.parse);
  const [dayBefore] = useState(() => Date.now() - 24 * 3_600_000);
  const [typed, setTyped] = useState<string | null>(null);
  // The default is the earliest time at which one of the failing endpoints started to fail.
  const since = typed ?? minuteText(new Date(failing.length > 0 ? Math.min(...failing) : dayBefore));
  const [error, setError] = useState<OperationError | null>(null);
  const [fieldError, setFieldError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const time = parseMinute(since);
  const variables = { since: time?.toISOString() ?? '' };
  useCommands([{ label: 'Send failed deliveries again', document: RecoverDeliveriesDocument, variables }]);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setFieldError(time === null ? `Write the time as ${minuteText(new Date())}: year, month, day, time.` : null);
    if (time === null) return;
    setBusy(true);
    const result = await client.mutation(RecoverDeliveriesDocument, variables);
    setBusy(false);
    if (result.error) return setError(operationErrorOf(result.error));
    setError(null);
    show({ kind: 'done', text: result.data?.recoverDeliveries.message });
  }
  return (
    <section className="card" aria-labelledby="recover">
      <h2 id="recover">Recover failed deliveries</h2>
      <p className="hint">Was your server away? All deliveries that failed since then are sent again.</p>
      <form className="form" onSubmit={submit}>
        <DateField
          label="Failed since"
          value={since}
          onChange={setTyped}
          withTime
          hint={`Time zone: ${timeZone}.`}
          error={fieldError}
        />
        {error && <ErrorNotice error={error} />}
        <p className="buttons">
          <button type="submit" className="button" disabled={busy}>
            {busy ? 'One moment…' : 'Send them again'}
          </button>
        </p>
      </form>
    </section>
  );
}

import { type FormEvent, useState } from 'react';
import { useClient } from 'urql';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { RecoverDeliveriesDocument } from '../graphql/generated.ts';
import { CopyCurl } from '../ui/copy-curl.tsx';
import { Field } from '../ui/field.tsx';
import { localInputValue } from '../ui/local-time.ts';
import { useMessages } from '../ui/messages.tsx';
import { ErrorNotice } from '../ui/notice.tsx';

/** Sends again what has failed since a time, such as after an outage of the receiver. */
export function RecoverCard() {
  const client = useClient();
  const { show } = useMessages();
  const [since, setSince] = useState(() => localInputValue(Date.now() - 24 * 3_600_000));
  const [error, setError] = useState<OperationError | null>(null);
  const [busy, setBusy] = useState(false);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    const result = await client.mutation(RecoverDeliveriesDocument, { since: new Date(since).toISOString() });
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
        <Field
          label="Failed since"
          type="datetime-local"
          value={since}
          max={localInputValue(Date.now())}
          required
          onChange={(event) => setSince(event.target.value)}
        />
        {error && <ErrorNotice error={error} />}
        <p className="buttons">
          <button type="submit" className="button" disabled={busy}>
            {busy ? 'One moment…' : 'Send them again'}
          </button>
          <CopyCurl
            commands={[
              {
                label: 'Send failed deliveries again',
                document: RecoverDeliveriesDocument,
                variables: { since: since && new Date(since).toISOString() },
              },
            ]}
          />
        </p>
      </form>
    </section>
  );
}

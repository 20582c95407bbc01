import { type FormEvent, useState } from 'react';
import { useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { SendTestCallbackDocument, type SendTestCallbackMutation } from '../graphql/generated.ts';
import { pageSettings } from '../page-settings.ts';
import { formatDuration } from '../ui/duration.ts';
import { Field } from '../ui/field.tsx';
import { ErrorNotice } from '../ui/notice.tsx';
import { useReceiverUrl } from './receiver.ts';
import { refusedUrlText } from './refused-url.ts';

type TestAttempt = SendTestCallbackMutation['sendTestCallback']['attempt'];

/** Sends one signed test event, and shows the receiver's response. */
export function TestCallback() {
  const client = useClient();
  const receiverUrl = useReceiverUrl();
  const [url, setUrl] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<OperationError | null>(null);
  const [attempt, setAttempt] = useState<TestAttempt | null>(null);
  useCommands([{ label: 'Send a test callback', document: SendTestCallbackDocument, variables: { url } }]);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    setAttempt(null);
    const answer = await client.mutation(SendTestCallbackDocument, { url: url.trim() });
    setBusy(false);
    if (answer.error) return setError(operationErrorOf(answer.error));
    setAttempt(answer.data?.sendTestCallback.attempt ?? null);
  }
  const isAtField = error?.field === 'url' || error?.code === 'CALLBACK_URL_REFUSED';
  return (
    <section className="card" aria-labelledby="test-callback">
      <h2 id="test-callback">Send a test callback</h2>
      <p className="hint">One signed example, without a voucher. What your server answers is shown here.</p>
      <form className="form" onSubmit={submit}>
        <Field
          label="URL"
          inputMode="url"
          placeholder="https://your-server.example/vouchers"
          value={url}
          required
          onChange={(event) => setUrl(event.target.value)}
          spellCheck={false}
          autoComplete="off"
          error={error && isAtField ? refusedUrlText(error) : null}
          action={
            pageSettings.testReceiver && (
              <button type="button" className="button quiet small" onClick={() => setUrl(receiverUrl)}>
                Use the test receiver
              </button>
            )
          }
        />
        {error && !isAtField && <ErrorNotice error={error} />}
        <p className="buttons">
          <button type="submit" className="button" disabled={busy}>
            {busy ? 'Sending…' : 'Send'}
          </button>
        </p>
      </form>
      {attempt && <Outcome attempt={attempt} />}
    </section>
  );
}

function explanationOf(status: number): string {
  if (status >= 500) return ' (an error on your side)';
  if (status >= 400) return ' (it refuses the request)';
  return status >= 300 ? ' (redirects are not followed)' : '';
}

function Outcome({ attempt: { status, durationMs, error, response } }: { attempt: TestAttempt }) {
  const answered =
    status === null ? 'Your server did not answer' : `Your server answered ${status}${explanationOf(status)}`;
  return (
    <div className={error === null ? 'notice done' : 'notice failed'} role="status">
      <p>
        <strong>{answered}</strong> after {formatDuration(durationMs)}.{response && ' Its reply:'}{' '}
        {status === null && <code className="code-name">{error}</code>}
      </p>
      {response && <pre>{response}</pre>}
    </div>
  );
}

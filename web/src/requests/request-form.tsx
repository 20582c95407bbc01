import { type FormEvent, useRef, useState } from 'react';
import { useClient } from 'urql';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { RequestVoucherDocument } from '../graphql/generated.ts';
import { CopyCurl } from '../ui/copy-curl.tsx';
import { Field } from '../ui/field.tsx';
import { ErrorNotice } from '../ui/notice.tsx';

interface Input {
  callbackUrl: string | null;
  idempotencyKey: string;
}

/** Keeps the key of the same request until it is answered: if the answer was lost, no second voucher is bought. */
function inputOf(text: string, unanswered: Input | null): Input {
  const callbackUrl = text.trim() || null;
  if (unanswered?.callbackUrl === callbackUrl) return unanswered;
  return { callbackUrl, idempotencyKey: crypto.randomUUID() };
}

/** Requests a voucher, with or without a callback URL. */
export function RequestForm({
  receiverUrl,
  onRequested,
}: {
  receiverUrl: string | null;
  onRequested(id: string): void;
}) {
  const client = useClient();
  const [callbackUrl, setCallbackUrl] = useState('');
  const [error, setError] = useState<OperationError | null>(null);
  const [busy, setBusy] = useState(false);
  const unanswered = useRef<Input | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const input = inputOf(callbackUrl, unanswered.current);
    unanswered.current = input;
    const result = await client.mutation(RequestVoucherDocument, { input });
    const answered = result.error?.networkError ? await client.mutation(RequestVoucherDocument, { input }) : result;
    setBusy(false);
    if (!answered.error?.networkError) unanswered.current = null;
    if (answered.error?.networkError)
      return setError({
        ...operationErrorOf(answered.error),
        advice: 'Press again once you are connected: it stays the same request.',
      });
    if (answered.error) return setError(operationErrorOf(answered.error));
    if (answered.data) onRequested(answered.data.requestVoucher.id);
  }

  const isAtField = error?.field === 'callbackUrl';
  return (
    <form className="form card" onSubmit={submit}>
      <Field
        label="Callback URL (optional)"
        name="callbackUrl"
        type="text"
        inputMode="url"
        placeholder="https://your-server.example/vouchers"
        value={callbackUrl}
        onChange={(event) => setCallbackUrl(event.target.value)}
        spellCheck={false}
        autoComplete="off"
        hint="The code is also posted there, signed with your secret."
        error={isAtField ? error.message : null}
        action={
          receiverUrl && (
            <button type="button" className="button quiet small" onClick={() => setCallbackUrl(receiverUrl)}>
              Use the test receiver
            </button>
          )
        }
      />
      {error && !isAtField && <ErrorNotice error={error} />}
      <p className="buttons">
        <button type="submit" className="button primary large" disabled={busy}>
          {busy ? 'Requesting…' : 'Request a voucher'}
        </button>
        <CopyCurl
          commands={[
            {
              label: 'Request a voucher',
              document: RequestVoucherDocument,
              variables: { input: { callbackUrl: callbackUrl.trim() || null } },
            },
          ]}
        />
      </p>
    </form>
  );
}

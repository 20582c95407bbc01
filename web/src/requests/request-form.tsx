import { type FormEvent, useState } from 'react';
import { useClient } from 'urql';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { RequestVoucherDocument } from '../graphql/generated.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { curlOf } from '../ui/curl.ts';
import { Field } from '../ui/field.tsx';
import { ErrorNotice } from '../ui/notice.tsx';

/** Requests a voucher, with or without a callback URL. */
export function RequestForm({
  receiverUrl,
  onRequested,
}: {
  receiverUrl: (() => string) | null;
  onRequested(id: string): void;
}) {
  const client = useClient();
  const [callbackUrl, setCallbackUrl] = useState('');
  const [error, setError] = useState<OperationError | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    // The same key in each retry of this request: an answer that was lost does not buy a second voucher.
    const input = { callbackUrl: callbackUrl.trim() || null, idempotencyKey: crypto.randomUUID() };
    const result = await client.mutation(RequestVoucherDocument, { input });
    const answered = result.error?.networkError ? await client.mutation(RequestVoucherDocument, { input }) : result;
    setBusy(false);
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
            <button type="button" className="button quiet" onClick={() => setCallbackUrl(receiverUrl())}>
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
        <CopyButton
          label="Copy as cURL"
          text={() => curlOf(RequestVoucherDocument, { input: { callbackUrl: callbackUrl.trim() || null } })}
        />
      </p>
    </form>
  );
}

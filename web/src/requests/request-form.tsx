import { type FormEvent, useRef, useState } from 'react';
import { type Client, useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { refusedUrlText } from '../callbacks/refused-url.ts';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { RequestVoucherDocument } from '../graphql/generated.ts';
import { Field } from '../ui/field.tsx';
import { ErrorNotice } from '../ui/notice.tsx';
import { newestRequests } from './newest-requests.ts';
import { useLostAnswer } from './use-lost-answer.ts';

interface Input {
  callbackUrl: string | null;
  idempotencyKey: string;
}

/**
 * Returns the input of a request. If the last request with the same URL was not answered, its idempotency key is used
 * again: its answer may be lost, and a new key would buy a second voucher.
 */
function inputOf(text: string, unanswered: Input | null): Input {
  const callbackUrl = text.trim() || null;
  if (unanswered?.callbackUrl === callbackUrl) return unanswered;
  return { callbackUrl, idempotencyKey: crypto.randomUUID() };
}

/** Returns the ids of the requests in the list; null if the list has not been read yet. */
function knownRequests(client: Client): ReadonlySet<string> | null {
  const { query, variables, context } = newestRequests;
  const nodes = client.readQuery(query, variables, context)?.data?.voucherRequests.nodes;
  return nodes ? new Set(nodes.map(({ id }) => id)) : null;
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
  const [known, setKnown] = useState<ReadonlySet<string> | null>(null);
  useLostAnswer(known, (id) => {
    // The list has the request whose answer was lost. For 3 s more, a click sends the same idempotency key. So an
    // impatient click buys no second voucher.
    const found = unanswered.current;
    setTimeout(() => {
      if (unanswered.current === found) unanswered.current = null;
    }, 3_000);
    setKnown(null);
    setError(null);
    onRequested(id);
  });

  useCommands([
    {
      label: 'Request a voucher',
      document: RequestVoucherDocument,
      variables: { input: { callbackUrl: callbackUrl.trim() || null } },
    },
  ]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    setKnown(null);
    const before = knownRequests(client);
    const input = inputOf(callbackUrl, unanswered.current);
    unanswered.current = input;
    const result = await client.mutation(RequestVoucherDocument, { input });
    const answered = result.error?.networkError ? await client.mutation(RequestVoucherDocument, { input }) : result;
    setBusy(false);
    if (!answered.error?.networkError) unanswered.current = null;
    if (answered.error?.networkError) {
      setKnown(before);
      return setError({
        ...operationErrorOf(answered.error),
        message: 'We couldn’t reach the gateway.',
        advice: 'Try again: you won’t get a second voucher.',
      });
    }
    if (answered.error) return setError(operationErrorOf(answered.error));
    if (answered.data) onRequested(answered.data.requestVoucher.id);
  }

  const isAtField = error?.field === 'callbackUrl';
  return (
    <form className="form card" onSubmit={submit}>
      <h1>Request a voucher</h1>
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
        error={isAtField ? refusedUrlText(error) : null}
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
      </p>
    </form>
  );
}

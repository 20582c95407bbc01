import { useState } from 'react';
import { useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { CallbackSecretDocument, RotateCallbackSecretDocument } from '../graphql/generated.ts';
import { CopyButton } from '../ui/copy-button.tsx';
import { useMessages } from '../ui/messages.tsx';
import { ErrorNotice } from '../ui/notice.tsx';

/** Shows the secret that signs callbacks. The secret is read only when the user requests it. */
export function SecretCard() {
  const client = useClient();
  const { show } = useMessages();
  const [secret, setSecret] = useState<string | null>(null);
  const [error, setError] = useState<OperationError | null>(null);
  useCommands([
    { label: 'Read the secret', document: CallbackSecretDocument },
    { label: 'Make a new secret', document: RotateCallbackSecretDocument },
  ]);
  const reveal = async () => {
    const result = await client.query(CallbackSecretDocument, {}, { requestPolicy: 'network-only' });
    setError(result.error ? operationErrorOf(result.error) : null);
    setSecret(result.data?.me?.callbackSecret ?? null);
  };
  const rotate = async () => {
    const result = await client.mutation(RotateCallbackSecretDocument, {});
    if (result.error) return setError(operationErrorOf(result.error));
    setError(null);
    setSecret(result.data?.rotateCallbackSecret ?? null);
    // The secret is read again, because the view of the receiver also verifies with it.
    void client.query(CallbackSecretDocument, {}, { requestPolicy: 'network-only' }).toPromise();
    show({ kind: 'done', text: 'You have a new secret. For 24 hours callbacks are signed with the old one, too.' });
  };
  return (
    <section className="card" aria-labelledby="secret">
      <h2 id="secret">Your callback secret</h2>
      <p className="hint">It signs each callback (Standard Webhooks), so that your server knows that it is from us.</p>
      {secret && (
        <div className="field-row">
          <code className="url">{secret}</code>
          <CopyButton label="Copy secret" text={secret} />
        </div>
      )}
      {error && <ErrorNotice error={error} />}
      <p className="buttons">
        {secret ? (
          <button type="button" className="button quiet" onClick={() => setSecret(null)}>
            Hide
          </button>
        ) : (
          <button type="button" className="button" onClick={reveal}>
            Show the secret
          </button>
        )}
        <button type="button" className="button quiet" onClick={rotate}>
          Make a new one
        </button>
      </p>
    </section>
  );
}

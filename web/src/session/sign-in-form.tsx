import { type FormEvent, type ReactNode, useState } from 'react';
import { useClient } from 'urql';
import { useCommands } from '../api/commands.tsx';
import { type OperationError, operationErrorOf } from '../graphql/errors.ts';
import { type SessionFragment, SignInDocument, SignOutDocument, SignUpDocument } from '../graphql/generated.ts';
import type { Command } from '../ui/curl.ts';
import { Field } from '../ui/field.tsx';
import { ErrorNotice } from '../ui/notice.tsx';
import { useSession } from './session-context.tsx';

/** The copied commands use this example user. The user's own password must not get into the history of a shell. */
const account = { username: 'ann', password: 'your password' };
const signUpCommand: Command = {
  label: 'Sign up',
  document: SignUpDocument,
  variables: { input: { ...account, phoneNumber: '0909123456' } },
  signedIn: false,
};
const signInCommand: Command = {
  label: 'Sign in, for a token',
  document: SignInDocument,
  variables: { input: account },
  signedIn: false,
};
const signOutCommand: Command = { label: 'Sign out', document: SignOutDocument };
const commandsOf = { 'sign-up': [signUpCommand], 'sign-in': [signInCommand, signOutCommand] } as const;

/** Signs a user up or in. If a session has ended, `username` is the user of that session, and is filled in. */
export function SignInForm({
  mode,
  username = '',
  action,
  onSwitch,
}: {
  mode: 'sign-up' | 'sign-in';
  username?: string;
  /** Shown beside the button. */
  action?: ReactNode;
  /**
   * Shows the sign-in form instead of the sign-up form, or the reverse. Errors that mention the other form have a link
   * that calls `onSwitch`.
   */
  onSwitch?: () => void;
}) {
  const { store } = useSession();
  const client = useClient();
  const [error, setError] = useState<OperationError | null>(null);
  const [busy, setBusy] = useState(false);
  const isNew = mode === 'sign-up';
  useCommands(commandsOf[mode]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const input = { username: String(form.get('username')), password: String(form.get('password')) };
    setBusy(true);
    setError(null);
    const result = isNew
      ? await client.mutation(SignUpDocument, { input: { ...input, phoneNumber: String(form.get('phoneNumber')) } })
      : await client.mutation(SignInDocument, { input });
    setBusy(false);
    if (result.error) return setError(operationErrorOf(result.error));
    const session = readSession(result.data);
    if (session)
      store.signIn({
        token: session.token,
        expiresAt: session.expiresAt,
        idleSeconds: session.sessionIdleSeconds,
        userId: session.user.id,
        username: session.user.username,
        phoneNumber: session.user.phoneNumber,
      });
  }

  const advice = error?.advice && onSwitch ? linkedAdvice(error.advice, onSwitch) : error?.advice;
  const errorAt = (field: string) =>
    error?.field === field ? (
      <>
        {error.message} {advice}
      </>
    ) : null;
  const isAtField = ['username', 'phoneNumber', 'password'].includes(error?.field ?? '');
  return (
    <form className="form" onSubmit={submit}>
      <Field
        label="Username"
        name="username"
        autoComplete="username"
        defaultValue={username}
        required
        minLength={3}
        maxLength={64}
        autoCapitalize="none"
        spellCheck={false}
        hint={isNew ? '3 to 64 letters, digits, dots, dashes or underscores.' : undefined}
        error={errorAt('username')}
      />
      {isNew && (
        <Field
          label="Phone number"
          name="phoneNumber"
          type="tel"
          autoComplete="tel"
          placeholder="+84 90 123 4567"
          required
          hint="With country code, e.g. +84 90 123 4567. Late codes come there by SMS."
          error={errorAt('phoneNumber')}
        />
      )}
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete={isNew ? 'new-password' : 'current-password'}
        required
        minLength={7}
        maxLength={256}
        hint={isNew ? 'At least 7 characters.' : undefined}
        error={errorAt('password')}
      />
      {error && !isAtField && <ErrorNotice error={error} advice={advice} />}
      <p className="buttons">
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? 'One moment…' : isNew ? 'Sign up' : 'Sign in'}
        </button>
        {action}
      </p>
    </form>
  );
}

/** Replaces “sign in” or “sign up” in a text by a link that shows this form. */
function linkedAdvice(text: string, onSwitch: () => void): ReactNode {
  const [before, name, after] = text.split(/(sign (?:in|up))/i);
  return name ? (
    <>
      {before}
      <button type="button" className="link" onClick={onSwitch}>
        {name}
      </button>
      {after}
    </>
  ) : (
    text
  );
}

function readSession(data: { signUp: SessionFragment } | { signIn: SessionFragment } | undefined) {
  if (!data) return null;
  return 'signUp' in data ? data.signUp : data.signIn;
}

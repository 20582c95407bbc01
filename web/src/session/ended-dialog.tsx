import { Dialog } from 'radix-ui';
import { useSession } from './session-context.tsx';
import { SignInForm } from './sign-in-form.tsx';

/** The password gets the focus, because the name is already filled in. */
function focusPassword(event: Event) {
  event.preventDefault();
  (event.target as HTMLElement).querySelector<HTMLInputElement>('input[name="password"]')?.focus();
}

/** A dialog over the unchanged page that asks the user to sign in again. */
export function EndedDialog() {
  const { state, store } = useSession();
  if (state.phase !== 'ended') return null;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && store.signOut()}>
      <Dialog.Portal>
        <div className="backdrop" />
        <Dialog.Content className="dialog card" onOpenAutoFocus={focusPassword}>
          <Dialog.Title>Your session has ended</Dialog.Title>
          <Dialog.Description>
            Sign in again as {state.session.username} to continue where you were. Codes that came meanwhile will appear.
          </Dialog.Description>
          <SignInForm
            mode="sign-in"
            username={state.session.username}
            action={<Dialog.Close className="button quiet">Sign in as someone else</Dialog.Close>}
          />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

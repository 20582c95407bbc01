import { useClient } from 'urql';
import { SignOutDocument } from '../graphql/generated.ts';
import { PopoverButton } from '../ui/popover.tsx';
import { SessionClock } from './session-clock.tsx';
import { useSession } from './session-context.tsx';
import type { Session } from './session-store.ts';

/** Shows who is signed in, and the time until the session ends. Has a button to sign out. */
export function AccountMenu({ session }: { session: Session }) {
  const { username, phoneNumber } = session;
  return (
    <PopoverButton
      className="top-button account"
      label={
        <>
          <span className="avatar" aria-hidden="true">
            {username.slice(0, 1).toUpperCase()}
          </span>
          <span className="visually-hidden">Account of </span>
          <span className="who">{username}</span>
        </>
      }
      title={username}
    >
      <p className="hint">{phoneNumber}</p>
      <SessionClock session={session} />
      <SignOutButton />
    </PopoverButton>
  );
}

function SignOutButton() {
  const { store } = useSession();
  const client = useClient();
  const signOut = () => {
    // The mutation is sent with the token before the store forgets the token. If the gateway can't be reached, the
    // session ends at its idle time-out.
    void client.mutation(SignOutDocument, {}).toPromise();
    store.signOut();
  };
  return (
    <button type="button" className="button" onClick={signOut}>
      Sign out
    </button>
  );
}

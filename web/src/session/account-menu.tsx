import { useClient } from 'urql';
import { SignOutDocument } from '../graphql/generated.ts';
import { PopoverButton } from '../ui/popover.tsx';
import { SessionClock } from './session-clock.tsx';
import { useSession } from './session-context.tsx';
import type { Session } from './session-store.ts';

/** Who is signed in, for how long, and the way out. */
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
    // Sent with the token that is forgotten next. If the gateway is away, the session ends by its idle time-out.
    void client.mutation(SignOutDocument, {}).toPromise();
    store.signOut();
  };
  return (
    <button type="button" className="button" onClick={signOut}>
      Sign out
    </button>
  );
}

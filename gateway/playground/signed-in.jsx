import { useSyncExternalStore } from 'react';
import { currentSession, onSessionChange } from './session.js';

/** Shows the user whose token is sent with operations. */
export function SignedIn() {
  const session = useSyncExternalStore(onSessionChange, currentSession);
  return (
    <div className="signed-in">
      {session
        ? `Signed in as ${session.username}: operations carry your token, unless the Headers tab gives another authorization.`
        : 'Signed out. Sign up or in, or give an authorization in the Headers tab: {"authorization": "Bearer …"}'}
    </div>
  );
}

// Keeps the last sign-in of this browser tab, until the tab is closed or the user signs out.
const storageKey = 'voucher-gateway:session';
const listeners = new Set();
let session = JSON.parse(sessionStorage.getItem(storageKey) ?? 'null');

/** Returns the signed-in user as `{ token, username }`; null if nobody is signed in. */
export function currentSession() {
  return session;
}

/** Registers a listener for session changes, in the form that React's `useSyncExternalStore` takes. */
export function onSessionChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Updates the session from a response. A root field with a token signs in, and `signOut: true` signs out. */
export function noteAnswer(data) {
  for (const [name, value] of Object.entries(data ?? {})) {
    if (typeof value?.token === 'string') keep({ token: value.token, username: value.user?.username ?? 'you' });
    if (name === 'signOut' && value === true) keep(null);
  }
}

function keep(next) {
  session = next;
  if (next === null) sessionStorage.removeItem(storageKey);
  else sessionStorage.setItem(storageKey, JSON.stringify(next));
  for (const listener of listeners) listener();
}

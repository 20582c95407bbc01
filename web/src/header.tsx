import { useClient } from 'urql';
import { Link, useLocation } from 'wouter';
import { SignOutDocument } from './graphql/generated.ts';
import { ConnectionLight } from './live/connection-light.tsx';
import { pageSettings } from './page-settings.ts';
import { SessionClock } from './session/session-clock.tsx';
import { useSession } from './session/session-context.tsx';

const views = [
  ['/', 'Requests'],
  ['/vouchers', 'Vouchers'],
  ['/callbacks', 'Callbacks'],
] as const;

export function Header() {
  const { state, store } = useSession();
  const client = useClient();
  const [path] = useLocation();
  const session = state.phase === 'signed-out' ? null : state.session;
  const signOut = () => {
    // Sent with the token that is forgotten next. If the gateway is away, the session ends by its idle time-out.
    void client.mutation(SignOutDocument, {}).toPromise();
    store.signOut();
  };
  const isCurrent = (href: string) =>
    href === '/' ? path === '/' || path.startsWith('/requests') : path.startsWith(href);
  return (
    <header className="top">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <Link href="/" className="brand">
        Voucher gateway
      </Link>
      {session && (
        <nav aria-label="Views">
          {views.map(([href, label]) => (
            <Link key={href} href={href} aria-current={isCurrent(href) ? 'page' : undefined}>
              {label}
            </Link>
          ))}
        </nav>
      )}
      <div className="top-end">
        {pageSettings.playground && <a href="/graphql">Playground</a>}
        <ConnectionLight />
        {session && (
          <>
            <span className="who">
              {session.username}
              {state.phase === 'signed-in' && <SessionClock session={state.session} />}
            </span>
            <button type="button" className="button quiet" onClick={signOut}>
              Sign out
            </button>
          </>
        )}
      </div>
    </header>
  );
}

import { Link, useLocation } from 'wouter';
import { ApiButton } from './api/api-button.tsx';
import { Brand } from './brand.tsx';
import { ConnectionLight } from './live/connection-light.tsx';
import { AccountMenu } from './session/account-menu.tsx';
import { SessionWarning } from './session/session-clock.tsx';
import { useSession } from './session/session-context.tsx';

const views = [
  ['/', 'Requests'],
  ['/vouchers', 'Vouchers'],
  ['/callbacks', 'Callbacks'],
] as const;

/** The header for signed-in users: the views, the screen's operations, the connection and the account. */
export function Header() {
  const { state } = useSession();
  const [path] = useLocation();
  const isCurrent = (href: string) =>
    href === '/' ? path === '/' || path.startsWith('/requests') : path.startsWith(href);
  return (
    <header className="top of-user">
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <Brand />
      <nav aria-label="Views">
        {views.map(([href, label]) => (
          <Link key={href} href={href} aria-current={isCurrent(href) ? 'page' : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      <ApiButton />
      <ConnectionLight />
      {state.phase !== 'signed-out' && <AccountMenu session={state.session} />}
      {state.phase === 'signed-in' && <SessionWarning session={state.session} />}
    </header>
  );
}

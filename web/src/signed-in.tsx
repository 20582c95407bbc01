import { useEffect } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { Announcer } from './announcer.tsx';
import { CallbacksPage } from './callbacks/callbacks-page.tsx';
import { Header } from './header.tsx';
import { LiveProvider } from './live/live-context.tsx';
import { PausedProvider } from './live/paused-context.tsx';
import { RequestsPage } from './requests/requests-page.tsx';
import { EndedDialog } from './session/ended-dialog.tsx';
import { MessagesProvider } from './ui/messages.tsx';
import { VouchersPage } from './vouchers/vouchers-page.tsx';

/**
 * The views of a signed-in user. A visitor's first screen does not wait for them, because `app.tsx` loads them in the
 * background.
 */
export default function SignedIn() {
  useTitle();
  return (
    <MessagesProvider>
      <LiveProvider>
        <PausedProvider>
          <Header />
          <main id="content" tabIndex={-1}>
            <Switch>
              <Route path="/">{() => <RequestsPage id={null} />}</Route>
              <Route path="/requests/:id">{({ id }) => <RequestsPage id={id} />}</Route>
              <Route path="/vouchers" component={VouchersPage} />
              <Route path="/callbacks" component={CallbacksPage} />
              <Route>
                <h1>There is no such page</h1>
                <p>
                  <Link href="/">Go to your requests</Link>
                </p>
              </Route>
            </Switch>
          </main>
          <Announcer />
          <EndedDialog />
        </PausedProvider>
      </LiveProvider>
    </MessagesProvider>
  );
}

function useTitle() {
  const [path] = useLocation();
  useEffect(() => {
    const view = path.startsWith('/vouchers') ? 'Vouchers' : path.startsWith('/callbacks') ? 'Callbacks' : 'Requests';
    document.title = `${view} – Voucher gateway`;
  }, [path]);
}

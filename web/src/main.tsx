import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider as GraphqlProvider } from 'urql';
import { CommandsProvider } from './api/commands.tsx';
import { App, loadSignedIn } from './app.tsx';
import { createGraphqlClient } from './graphql/client.ts';
import { SessionProvider } from './session/session-context.tsx';
import { createSessionStore } from './session/session-store.ts';
import { UserScope } from './session/user-scope.tsx';
import './style/base.css';
import './style/layout.css';
import './style/controls.css';
import './style/notices.css';
import './style/header.css';
import './style/overlays.css';
import './style/lists.css';
import './style/request.css';
import './style/callbacks.css';
import { ErrorBoundary } from './ui/error-boundary.tsx';

const store = createSessionStore(sessionStorage);
// A failed load is ignored here. If the views are still missing when they are rendered, `ErrorBoundary` shows what to
// do.
if (store.state().phase !== 'signed-out') loadSignedIn().catch(() => {});
const root = document.getElementById('page');
if (!root) throw new Error('index.html has no element with the id page');
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <SessionProvider store={store}>
        <UserScope createClient={() => createGraphqlClient(store)}>
          {(client) => (
            <GraphqlProvider value={client}>
              <CommandsProvider>
                <App />
              </CommandsProvider>
            </GraphqlProvider>
          )}
        </UserScope>
      </SessionProvider>
    </ErrorBoundary>
  </StrictMode>,
);

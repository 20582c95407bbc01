import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider as GraphqlProvider } from 'urql';
import { App } from './app.tsx';
import { createGraphqlClient } from './graphql/client.ts';
import { LiveProvider } from './live/live-context.tsx';
import { SessionProvider } from './session/session-context.tsx';
import { createSessionStore } from './session/session-store.ts';
import { UserScope } from './session/user-scope.tsx';
import './style/base.css';
import './style/layout.css';
import './style/parts.css';
import { ErrorBoundary } from './ui/error-boundary.tsx';
import { MessagesProvider } from './ui/messages.tsx';

const store = createSessionStore(sessionStorage);
const root = document.getElementById('page');
if (!root) throw new Error('index.html has no element with the id page');
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <SessionProvider store={store}>
        <UserScope createClient={() => createGraphqlClient(store)}>
          {(client) => (
            <GraphqlProvider value={client}>
              <MessagesProvider>
                <LiveProvider>
                  <App />
                </LiveProvider>
              </MessagesProvider>
            </GraphqlProvider>
          )}
        </UserScope>
      </SessionProvider>
    </ErrorBoundary>
  </StrictMode>,
);

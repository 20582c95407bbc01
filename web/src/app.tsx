import { lazy, Suspense } from 'react';
import { Brand } from './brand.tsx';
import { useSession } from './session/session-context.tsx';
import { Welcome } from './session/welcome.tsx';
import { Skeleton } from './ui/notice.tsx';

/** Loads the views of signed-in users. Several calls share one load. */
export const loadSignedIn = () => import('./signed-in.tsx');

const SignedIn = lazy(loadSignedIn);

export function App() {
  const { state } = useSession();
  // While the visitor fills in the form, the views of signed-in users are loaded. If that fails, they are loaded after
  // the sign-in.
  if (state.phase === 'signed-out') return <Welcome onFocus={() => void loadSignedIn().catch(() => {})} />;
  return (
    <Suspense fallback={<Loading />}>
      <SignedIn />
    </Suspense>
  );
}

function Loading() {
  return (
    <>
      <header className="top">
        <Brand />
      </header>
      <main>
        <Skeleton rows={6} label="Loading the page" />
      </main>
    </>
  );
}

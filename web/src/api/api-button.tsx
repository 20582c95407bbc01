import { lazy, Suspense, useState } from 'react';

const ApiPopover = lazy(() => import('./api-popover.tsx'));

/** Opens the operations of the screen as commands. They are loaded when they are first wanted. */
export function ApiButton() {
  const [wanted, setWanted] = useState(false);
  const button = (
    <button type="button" className="top-button" aria-haspopup="dialog" onClick={() => setWanted(true)}>
      API
    </button>
  );
  return wanted ? (
    <Suspense fallback={button}>
      <ApiPopover />
    </Suspense>
  ) : (
    button
  );
}

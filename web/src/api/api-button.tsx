import { lazy, Suspense, useState } from 'react';

const ApiPopover = lazy(() => import('./api-popover.tsx'));

/** Opens a popover with the screen's operations as cURL commands. The popover's code is loaded on first use. */
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

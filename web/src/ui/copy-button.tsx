import { type ReactNode, useEffect, useState } from 'react';

/** Copies a text, and confirms it for two seconds. `children` are shown before the label. */
export function CopyButton({
  text,
  label,
  className = 'button quiet',
  children,
}: {
  text: string | (() => string);
  label: ReactNode;
  className?: string;
  children?: ReactNode;
}) {
  const [outcome, setOutcome] = useState<'copied' | 'failed' | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), 2_000);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = () =>
    navigator.clipboard.writeText(typeof text === 'string' ? text : text()).then(
      () => setOutcome('copied'),
      () => setOutcome('failed'),
    );
  return (
    <button type="button" className={className} onClick={copy}>
      {children}
      <span className="stacked" aria-live="polite">
        <span data-shown={outcome === null}>{label}</span>
        <span data-shown={outcome === 'copied'}>Copied</span>
        <span data-shown={outcome === 'failed'}>Failed</span>
      </span>
    </button>
  );
}

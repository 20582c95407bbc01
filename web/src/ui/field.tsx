import { Label } from 'radix-ui';
import { type InputHTMLAttributes, type ReactNode, useId } from 'react';

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: ReactNode;
  /** Why the value was refused. */
  error?: ReactNode;
  /** Shown beside the label. */
  action?: ReactNode;
  /** Shown beside the input. */
  trailing?: ReactNode;
}

/** A labelled input. Screen readers announce it with its hint and error. */
export function Field({ label, hint: usualHint, error, action, trailing, ...input }: FieldProps) {
  const id = useId();
  // An error takes the place of the hint.
  const hint = error ? null : usualHint;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  const control = (
    <input id={id} aria-describedby={described || undefined} aria-invalid={error ? true : undefined} {...input} />
  );
  return (
    <div className="field">
      <div className="field-head">
        <Label.Root htmlFor={id}>{label}</Label.Root>
        {action}
      </div>
      {trailing ? (
        <div className="input-row">
          {control}
          {trailing}
        </div>
      ) : (
        control
      )}
      {hint && (
        <p id={`${id}-hint`} className="hint">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

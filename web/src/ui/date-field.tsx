import { useRef } from 'react';
import { Field } from './field.tsx';
import { dayText, minuteText, parseMinute } from './time-text.ts';

interface DateFieldProps {
  label: string;
  value: string;
  onChange(value: string): void;
  /** Whether the field accepts a day with a time. Default: only a day. */
  withTime?: boolean;
  hint?: string;
  error: string | null;
  required?: boolean;
}

/** A field for a day, with or without a time. The user types it (`2026-11-27 07:15`) or uses the browser's calendar. */
export function DateField({ label, value, onChange, withTime = false, ...field }: DateFieldProps) {
  const calendar = useRef<HTMLInputElement>(null);
  const typed = parseMinute(value);
  const openCalendar = () => {
    try {
      calendar.current?.showPicker();
    } catch {
      // In a browser without a calendar, the day can be typed.
    }
  };
  return (
    <Field
      label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      placeholder={withTime ? 'YYYY-MM-DD HH:MM' : 'YYYY-MM-DD'}
      autoComplete="off"
      spellCheck={false}
      {...field}
      trailing={
        <>
          <input
            ref={calendar}
            className="calendar"
            type={withTime ? 'datetime-local' : 'date'}
            value={typed ? (withTime ? minuteText(typed).replace(' ', 'T') : dayText(typed)) : ''}
            onChange={(event) => onChange(event.target.value.replace('T', ' '))}
            tabIndex={-1}
            aria-hidden="true"
          />
          <button type="button" className="input-action" aria-label={`${label}: calendar`} onClick={openCalendar}>
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
              <path
                d="M2 3.5h12v10.5H2zM2 6.5h12M5 1.5v3M11 1.5v3"
                fill="none"
                stroke="currentColor"
                strokeWidth="1.5"
              />
            </svg>
          </button>
        </>
      }
    />
  );
}

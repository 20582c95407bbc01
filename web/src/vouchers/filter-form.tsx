import type { FormEvent } from 'react';
import { Field } from '../ui/field.tsx';

/** Searches by code and by the days on which codes were received. */
export function FilterForm({
  parameters,
  onChange,
}: {
  parameters: URLSearchParams;
  onChange(next: URLSearchParams): void;
}) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const next = new URLSearchParams();
    for (const [name, value] of new FormData(event.currentTarget)) {
      const text = String(value).trim();
      if (text) next.set(name, text);
    }
    onChange(next);
  }
  const isFiltered = ['code', 'from', 'to'].some((name) => parameters.has(name));
  // The key shows the address's values after a step back in the history.
  return (
    <form key={parameters.toString()} className="filter" onSubmit={submit}>
      <Field
        label="Code"
        name="code"
        defaultValue={parameters.get('code') ?? ''}
        spellCheck={false}
        autoComplete="off"
      />
      <Field label="From" name="from" type="date" defaultValue={parameters.get('from') ?? ''} />
      <Field label="To" name="to" type="date" defaultValue={parameters.get('to') ?? ''} />
      <button type="submit" className="button">
        Search
      </button>
      <button
        type="button"
        className="button quiet"
        disabled={!isFiltered}
        onClick={() => onChange(new URLSearchParams())}
      >
        Clear
      </button>
    </form>
  );
}

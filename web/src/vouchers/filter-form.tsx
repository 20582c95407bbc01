import { type FormEvent, useState } from 'react';
import { DateField } from '../ui/date-field.tsx';
import { Field } from '../ui/field.tsx';
import { errorsOf, type FilterTexts, parametersOf, textsOf } from './filter.ts';

/** Searches by code and by the days on which codes were received. */
export function FilterForm({
  parameters,
  onChange,
}: {
  parameters: URLSearchParams;
  onChange(next: URLSearchParams): void;
}) {
  // The URL also changes without the form, for example by a step back in the history. The changed `key` then recreates
  // the fields with the values of the URL.
  return <Fields key={parameters.toString()} initial={textsOf(parameters)} onChange={onChange} />;
}

function Fields({ initial, onChange }: { initial: FilterTexts; onChange(next: URLSearchParams): void }) {
  const [texts, setTexts] = useState(initial);
  const [errors, setErrors] = useState(() => errorsOf(initial));
  function submit(event: FormEvent) {
    event.preventDefault();
    const found = errorsOf(texts);
    setErrors(found);
    if (found.from === null && found.to === null) onChange(parametersOf(texts));
  }
  const set = (name: keyof FilterTexts) => (text: string) => setTexts((before) => ({ ...before, [name]: text }));
  const isFiltered = !isEmpty(initial);
  function clear() {
    setTexts(noTexts);
    setErrors(errorsOf(noTexts));
    if (isFiltered) onChange(new URLSearchParams());
  }
  return (
    <form className="filter" onSubmit={submit} noValidate>
      <Field
        label="Code"
        value={texts.code}
        onChange={(event) => set('code')(event.target.value)}
        placeholder="The whole code"
        spellCheck={false}
        autoComplete="off"
      />
      <DateField label="Received from" value={texts.from} onChange={set('from')} error={errors.from} />
      <DateField label="Received until" value={texts.to} onChange={set('to')} error={errors.to} />
      <span className="filter-buttons">
        <button type="submit" className="button">
          Search
        </button>
        <button type="button" className="button quiet" disabled={!isFiltered && isEmpty(texts)} onClick={clear}>
          Clear
        </button>
      </span>
      {(errors.from || errors.to) && (
        <p className="hint">Correct the date, then search again. The list below is not filtered by it.</p>
      )}
    </form>
  );
}

const noTexts: FilterTexts = { code: '', from: '', to: '' };

const isEmpty = (texts: FilterTexts) => Object.values(texts).every((text) => text === '');

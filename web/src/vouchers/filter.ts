import type { VoucherFilter } from '../graphql/generated.ts';
import { dayText, parseDay } from '../ui/time-text.ts';

/** The filter as text, in the fields and in the URL. */
export interface FilterTexts {
  code: string;
  from: string;
  to: string;
}

export function textsOf(parameters: URLSearchParams): FilterTexts {
  const text = (name: string) => parameters.get(name) ?? '';
  return { code: text('code'), from: text('from'), to: text('to') };
}

/** Returns the errors of the two days; null for a day that is valid or empty. */
export function errorsOf({ from, to }: FilterTexts): { from: string | null; to: string | null } {
  const errorOf = (text: string) =>
    text.trim() === '' || parseDay(text) ? null : `Write the day as ${dayText(new Date())}: year, month, day.`;
  const [first, last] = [parseDay(from), parseDay(to)];
  const isReversed = first !== null && last !== null && first > last;
  return { from: errorOf(from), to: isReversed ? 'This is before the first day.' : errorOf(to) };
}

/** Returns the URL parameters for a filter without errors. */
export function parametersOf({ code, from, to }: FilterTexts): URLSearchParams {
  const days = [from, to].map((text) => parseDay(text));
  const texts = { code: code.trim(), from: days[0] && dayText(days[0]), to: days[1] && dayText(days[1]) };
  return new URLSearchParams(Object.entries(texts).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/**
 * Returns the filter for the query of vouchers. An invalid day is ignored. The day `to` is included, so that
 * `receivedTo` is the start of the next day.
 */
export function filterOf({ code, from, to }: FilterTexts): VoucherFilter {
  const first = parseDay(from);
  const end = parseDay(to);
  end?.setDate(end.getDate() + 1);
  return { code: code || undefined, receivedFrom: first?.toISOString(), receivedTo: end?.toISOString() };
}

import type { VoucherFilter } from '../graphql/generated.ts';
import { dayText, parseDay } from '../ui/time-text.ts';

/** The filter as it is typed, and as the address holds it. */
export interface FilterTexts {
  code: string;
  from: string;
  to: string;
}

export function textsOf(parameters: URLSearchParams): FilterTexts {
  const text = (name: string) => parameters.get(name) ?? '';
  return { code: text('code'), from: text('from'), to: text('to') };
}

/** What is wrong with the days; null for each that is right or empty. */
export function errorsOf({ from, to }: FilterTexts): { from: string | null; to: string | null } {
  const errorOf = (text: string) =>
    text.trim() === '' || parseDay(text) ? null : `Write the day as ${dayText(new Date())}: year, month, day.`;
  const [first, last] = [parseDay(from), parseDay(to)];
  const isReversed = first !== null && last !== null && first > last;
  return { from: errorOf(from), to: isReversed ? 'This is before the first day.' : errorOf(to) };
}

/** The parameters of the address, of a filter without errors. */
export function parametersOf({ code, from, to }: FilterTexts): URLSearchParams {
  const days = [from, to].map((text) => parseDay(text));
  const texts = { code: code.trim(), from: days[0] && dayText(days[0]), to: days[1] && dayText(days[1]) };
  return new URLSearchParams(Object.entries(texts).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** The filter of the query. A day that is none is ignored; the last day is included. */
export function filterOf({ code, from, to }: FilterTexts): VoucherFilter {
  const first = parseDay(from);
  const end = parseDay(to);
  end?.setDate(end.getDate() + 1);
  return { code: code || undefined, receivedFrom: first?.toISOString(), receivedTo: end?.toISOString() };
}

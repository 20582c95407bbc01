/** An instant as the value of a `datetime-local` input, in the browser's time zone. */
export function localInputValue(at: number): string {
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  return new Date(at - offsetMs).toISOString().slice(0, 16);
}

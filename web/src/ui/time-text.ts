/* Times as text, in the browser's time zone. In every language a day is written and typed as year, month, day (ISO 8601). */

const dayPattern = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/;
const minutePattern = /^(\S+)[T ]+(\d{1,2}):(\d{2})$/;

/**
 * Parses a day such as `2026-11-27`, `2026/11/27` or `2026.11.27`. Returns the start of the day. Returns null if there
 * is no such day.
 */
export function parseDay(text: string): Date | null {
  const [, year, month, day] = dayPattern.exec(text.trim()) ?? [];
  if (!year || !month || !day) return null;
  const date = new Date(Number(year), Number(month) - 1, Number(day));
  // `Date` would read the 31st of a shorter month as a day of the next month.
  return date.getMonth() === Number(month) - 1 && date.getDate() === Number(day) ? date : null;
}

/** Reads `2026-11-27 07:15`. A day without a time is read as the day's start. Returns null if there is no such time. */
export function parseMinute(text: string): Date | null {
  const [, dayText, hour, minute] = minutePattern.exec(text.trim()) ?? [];
  if (!dayText || !hour || !minute) return parseDay(text);
  const date = parseDay(dayText);
  if (!date || Number(hour) > 23 || Number(minute) > 59) return null;
  date.setHours(Number(hour), Number(minute));
  return date;
}

/** Writes a day as `2026-11-27`. */
export function dayText(date: Date): string {
  const year = String(date.getFullYear()).padStart(4, '0');
  return [year, twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join('-');
}

/** Formats a time to the minute, as `2026-11-27 07:15`. */
export function minuteText(date: Date): string {
  return `${dayText(date)} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
}

const twoDigits = (value: number) => String(value).padStart(2, '0');

const time = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
const timeFormat = new Intl.DateTimeFormat(undefined, time);
const preciseTimeFormat = new Intl.DateTimeFormat(undefined, { ...time, fractionalSecondDigits: 3 });

/** Returns the time of day. If `at` is not today, the day comes first. */
export const timeText = (at: number, now = Date.now()) => dayBefore(at, now) + timeFormat.format(at);

/** Like `timeText`, with milliseconds. */
export const preciseTimeText = (at: number, now = Date.now()) => dayBefore(at, now) + preciseTimeFormat.format(at);

function dayBefore(at: number, now: number): string {
  const day = dayText(new Date(at));
  return day === dayText(new Date(now)) ? '' : `${day} `;
}

/** The browser's time zone, as `UTC+1`. */
export function timeZoneName(): string {
  const format = new Intl.DateTimeFormat('en', { timeZoneName: 'shortOffset' });
  const { value = '' } = format.formatToParts().find(({ type }) => type === 'timeZoneName') ?? {};
  return value.replace('GMT', 'UTC');
}

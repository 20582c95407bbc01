import { describe, expect, it } from 'vitest';
import { dayText, minuteText, parseDay, parseMinute, preciseTimeText, timeText } from './time-text.ts';

describe('time text', () => {
  it.each(['2026-02-01', '2026/2/1', ' 2026.02.01 '])('day: reads "%s" as the start of the day', (text) => {
    expect(parseDay(text)).toEqual(new Date(2026, 1, 1));
  });

  it.each(['', '01/02/2026', '2026-02-29', '2026-13-01', '2026-00-10', '20260201', 'today'])(
    'day: rejects "%s"',
    (text) => expect(parseDay(text)).toBeNull(),
  );

  it('minute: is read with or without its time', () => {
    expect(parseMinute('2026-02-01 7:05')).toEqual(new Date(2026, 1, 1, 7, 5));
    expect(parseMinute('2026-02-01T17:05')).toEqual(new Date(2026, 1, 1, 17, 5));
    expect(parseMinute('2026-02-01')).toEqual(new Date(2026, 1, 1));
  });

  it.each(['2026-02-01 24:00', '2026-02-01 7:60', '2026-02-30 7:00', '7:00'])('minute: rejects "%s"', (text) =>
    expect(parseMinute(text)).toBeNull(),
  );

  it('texts: are read as what was written', () => {
    const date = new Date(2026, 10, 7, 3, 9);
    expect([dayText(date), minuteText(date)]).toEqual(['2026-11-07', '2026-11-07 03:09']);
    expect(parseMinute(minuteText(date))).toEqual(date);
  });

  it('time: has its day, written as it is typed, unless that is today', () => {
    const at = new Date(2026, 10, 7, 3, 9, 5, 42).getTime();
    expect(timeText(at, at + 1_000)).toBe(timeText(at, at));
    expect(timeText(at, at + 86_400_000)).toBe(`2026-11-07 ${timeText(at, at)}`);
    expect(preciseTimeText(at, at)).toContain('042');
    expect(preciseTimeText(at, at + 86_400_000)).toBe(`2026-11-07 ${preciseTimeText(at, at)}`);
  });
});

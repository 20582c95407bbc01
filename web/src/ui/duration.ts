/** A duration for people: `35 ms`, `1.2 s`, `27 s`, `3 min 5 s`, `2 h 10 min`. */
export function formatDuration(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 1_000) return `${Math.round(positive)} ms`;
  if (positive < 9_950) return `${(positive / 1_000).toFixed(1)} s`;
  const seconds = Math.round(positive / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return join(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  return join(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

/** A duration that counts up or down: `2 s`, `3 min 5 s`. */
export function formatSeconds(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1_000);
}

const dayMs = 86_400_000;

/** A duration that may be very long: days and years are rounded, as in `about 57 years`. */
export function formatLongDuration(ms: number): string {
  const days = Math.round(ms / dayMs);
  if (days < 2) return formatDuration(ms);
  return days < 730 ? `about ${days} days` : `about ${Math.round(days / 365.25)} years`;
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

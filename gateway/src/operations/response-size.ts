/**
 * Estimates the bytes of a value's JSON. Counting stops above `maxBytes`, so a result above it is only a lower bound. It
 * does not recurse, and does not build the text.
 *
 * An escaped character counts as one byte, and so does each character of a short string. The actual text may be up to
 * six times as large.
 */
export function estimateBytes(value: unknown, maxBytes: number): number {
  let bytes = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const current = waiting.pop();
    // A list of n values has n - 1 commas and two brackets: one byte for each value, and one for the list itself.
    bytes += 1;
    if (typeof current === 'string') bytes += 2 + (current.length > 64 ? Buffer.byteLength(current) : current.length);
    else if (typeof current !== 'object' || current === null) bytes += 4;
    else if (Array.isArray(current)) {
      if (bytes + current.length > maxBytes) return bytes + current.length;
      for (const entry of current) waiting.push(entry);
    } else {
      for (const name in current) {
        bytes += name.length + 3;
        waiting.push((current as Record<string, unknown>)[name]);
      }
    }
    if (bytes > maxBytes) return bytes;
  }
  return bytes;
}

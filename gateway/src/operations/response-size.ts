/**
 * Estimates the bytes of a value's JSON, without recursion and without building the text. Counting stops above
 * `maxBytes`. So a result above `maxBytes` is only a lower bound.
 *
 * An escaped character such as `\u0000` counts as one byte, although it takes up to six. In a string of up to 64
 * characters, every character counts as one byte.
 */
export function estimateBytes(value: unknown, maxBytes: number): number {
  let bytes = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const current = waiting.pop();
    // Every value, also a list, counts one byte: n values and their list have n - 1 commas and two brackets.
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

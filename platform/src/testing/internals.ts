/** Text that only operators may see: stacks, JavaScript's errors, SQL, files and addresses. */
const internals: readonly RegExp[] = [
  /\n\s+at .+[:(]/,
  /node_modules|file:\/\/|\.[cm]?[jt]s:\d+/,
  // The parser's `Syntax Error: …` is allowed, because it describes only the client's GraphQL document.
  /\b(Type|Range|Reference|Syntax|Internal|Aggregate)Error\b|(?<!Syntax )\bError: /,
  /Cannot (read|set|convert|destructure|assign)|is not (a function|iterable|defined)|Unexpected (token|end of)|in JSON at/,
  /call stack|Invalid string length|stack ?trace/i,
  /\b(select|insert into|update|delete from)\b .+ (from|values|set|where)\b|SQLSTATE|Failed query|pglite|postgres|drizzle/i,
  /E(CONNREFUSED|CONNRESET|PIPE|NOENT|ADDRINUSE)\b|127\.0\.0\.1:\d+|localhost:\d+/,
];

/** Finds internal text in a response to a client; null if there is none. */
export function findInternal(text: string): string | null {
  for (const pattern of internals) {
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  return null;
}

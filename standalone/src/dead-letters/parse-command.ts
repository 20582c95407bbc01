export const deadLettersUsage = `npm run dead-letters -- list
    Lists parked messages and dead letters with their causes, without what is in them.
npm run dead-letters -- show <id>
    Shows one whole, secrets included.
npm run dead-letters -- replay <id>...
npm run dead-letters -- replay --all
    Has the groups that could not handle them try again.`;

export type DeadLettersCommand =
  | { name: 'list' }
  | { name: 'show'; id: string }
  | { name: 'replay'; ids: ReadonlySet<string> | 'all' };

/** Parses a command; null if it is invalid. */
export function parseDeadLettersCommand([name, ...words]: readonly string[]): DeadLettersCommand | null {
  const [id, ...others] = words;
  if (name === 'list' && id === undefined) return { name };
  if (name === 'show' && id && others.length === 0) return { name, id };
  if (name === 'replay' && id) return { name, ids: id === '--all' && others.length === 0 ? 'all' : new Set(words) };
  return null;
}

import { causesOf, errorCode } from '../errors.ts';

const maxLength = 1_000;

/** Returns the root cause of an error, for operators, without the values of an SQL statement. */
export function causeOf(error: unknown): { code: string; message: string } {
  const root = causesOf(error).at(-1) ?? error;
  const message = root instanceof Error ? root.message : 'a value was thrown that is not an error';
  return { code: toStorable(errorCode(root), 100), message: toStorable(message, maxLength) };
}

/** Truncates a text, and replaces NUL and lone surrogates, which PostgreSQL rejects. */
function toStorable(text: string, length: number): string {
  return text.slice(0, length).toWellFormed().replaceAll('\0', '\ufffd');
}

import { causesOf, errorCode } from '../errors.ts';

const maxLength = 1_000;

/** The root cause of an error, for operators. Never the values of a statement. */
export function causeOf(error: unknown): { code: string; message: string } {
  const root = causesOf(error).at(-1) ?? error;
  const message = root instanceof Error ? root.message : 'a value was thrown that is not an error';
  return { code: toStorable(errorCode(root), 100), message: toStorable(message, maxLength) };
}

/** PostgreSQL rejects NUL and lone surrogates. */
function toStorable(text: string, length: number): string {
  return text.slice(0, length).toWellFormed().replaceAll('\0', '\ufffd');
}

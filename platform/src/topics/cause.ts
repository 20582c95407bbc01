import { errorCode } from '../errors.ts';

const maxLength = 1_000;

/** Why a message could not be handled, for people: of what led to the error, the first. Never a statement's values. */
export function causeOf(error: unknown): { code: string; message: string } {
  let first = error;
  while (first instanceof Error && first.cause instanceof Error) first = first.cause;
  const message = first instanceof Error ? first.message : 'what was thrown is no error';
  return { code: storable(errorCode(first), 100), message: storable(message, maxLength) };
}

/** PostgreSQL stores neither NUL nor half a character. */
function storable(text: string, length: number): string {
  return text.slice(0, length).toWellFormed().replaceAll('\0', '\ufffd');
}

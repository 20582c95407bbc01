import { type Message, validateMessage } from 'graphql-ws';

/** Parses a client's message; an error, whose text the client may see, if it is not one of the protocol. */
export function readMessage(data: Buffer): Message | Error {
  const value = parseJson(String(data));
  if (value === undefined) return new Error('The message is not JSON');
  try {
    return validateMessage(value);
  } catch (error) {
    return error as Error;
  }
}

/** Returns undefined for invalid JSON. The parser's message is not passed on. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The `authorization` of `connection_init`, with its key in any case; null without one. */
export function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}

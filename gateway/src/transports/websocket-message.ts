import { type Message, validateMessage } from 'graphql-ws';

/** Parses a client's message. If it does not follow the protocol, returns an error whose text the client may see. */
export function readMessage(data: Buffer): Message | Error {
  const value = parseJson(String(data));
  if (value === undefined) return new Error('The message is not JSON');
  try {
    return validateMessage(value);
  } catch (error) {
    return error as Error;
  }
}

/** Parses JSON. Returns undefined for invalid JSON, so that the client does not see the parser's message. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads the value of `authorization`, a key in any case, from the payload of `connection_init`. Null if there is no
 * such key.
 */
export function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}

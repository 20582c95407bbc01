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

/** Returns undefined for invalid JSON, without the parser's message. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads `authorization` from the payload of `connection_init`; its key may have any case. Null if there is none. */
export function readAuthorization(parameters: Readonly<Record<string, unknown>> | undefined): string | null {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name.toLowerCase() === 'authorization' && typeof value === 'string' && value.trim() !== '') return value;
  }
  return null;
}

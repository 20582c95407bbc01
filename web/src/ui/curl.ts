import { stringifyDocument } from '@urql/core';
import type { DocumentNode } from 'graphql';

/** An operation of the page, as a command to copy. */
export interface Command {
  /** What the command does. */
  label: string;
  document: DocumentNode;
  variables?: object;
  /** Whether the command needs a token. Default: true. */
  signedIn?: boolean;
}

/** Returns the kind and the name of a command's operation, such as `mutation SignIn`. */
export function operationOf({ document }: Command): { kind: string; name: string } {
  for (const definition of document.definitions)
    if (definition.kind === 'OperationDefinition')
      return { kind: definition.operation, name: definition.name?.value ?? '' };
  throw new Error('the document has no operation');
}

/**
 * Returns the cURL command for an operation. The token is the shell variable `TOKEN`, so the copied text does not
 * contain the token.
 */
export function curlOf(command: Command): string {
  const { document, variables = {}, signedIn = true } = command;
  const isStream = operationOf(command).kind === 'subscription';
  const body = JSON.stringify({ query: stringifyDocument(document).replace(/\s+/g, ' ').trim(), variables });
  const lines = [
    `curl ${isStream ? '-N ' : ''}${location.origin}/graphql`,
    `-H 'content-type: application/json'`,
    ...(isStream ? [`-H 'accept: text/event-stream'`] : []),
    ...(signedIn ? [`-H "authorization: Bearer $TOKEN"`] : []),
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ];
  return lines.join(' \\\n  ');
}

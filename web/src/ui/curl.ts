import { type DocumentNode, Kind, OperationTypeNode, print } from 'graphql';

/** An operation of the page, as a command to copy. */
export interface Command {
  /** What it does. */
  label: string;
  document: DocumentNode;
  variables?: object;
  /** Whether it needs a token. Default: true. */
  signedIn?: boolean;
}

/** The same operation as a shell command. The token is a variable of the shell, so that it is not copied around. */
export function curlOf({ document, variables = {}, signedIn = true }: Command): string {
  const isStream = document.definitions.some(
    (definition) =>
      definition.kind === Kind.OPERATION_DEFINITION && definition.operation === OperationTypeNode.SUBSCRIPTION,
  );
  const body = JSON.stringify({ query: print(document).replace(/\s+/g, ' ').trim(), variables });
  const lines = [
    `curl ${isStream ? '-N ' : ''}${location.origin}/graphql`,
    `-H 'content-type: application/json'`,
    ...(isStream ? [`-H 'accept: text/event-stream'`] : []),
    ...(signedIn ? [`-H "authorization: Bearer $TOKEN"`] : []),
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ];
  return lines.join(' \\\n  ');
}

import { type DocumentNode, print } from 'graphql';

/** The same operation as a shell command. The token is a variable of the shell, so that it is not copied around. */
export function curlOf(document: DocumentNode, variables: object, signedIn = true): string {
  const body = JSON.stringify({ query: print(document).replace(/\s+/g, ' ').trim(), variables });
  const lines = [
    `curl ${location.origin}/graphql`,
    `-H 'content-type: application/json'`,
    ...(signedIn ? [`-H "authorization: Bearer $TOKEN"`] : []),
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ];
  return lines.join(' \\\n  ');
}

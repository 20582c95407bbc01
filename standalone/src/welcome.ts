/** The text that `npm start` prints when everything is ready: URLs, and two commands to paste. */
export function welcome({
  gatewayUrl,
  vpsUrl,
  integrationUrl,
  seconds,
}: {
  gatewayUrl: string;
  vpsUrl: string;
  integrationUrl: string;
  seconds: number;
}): string {
  return `
Ready in ${seconds.toFixed(1)} s.

  Playground   ${gatewayUrl}/
  GraphQL      ${gatewayUrl}/graphql  (HTTP and WebSocket)
  Provider     ${vpsUrl}
  Integration  ${integrationUrl}

Paste these into another terminal:

  curl -X POST ${gatewayUrl}/user/sign-up -H 'content-type: application/json' \\
    -d '{"username":"ann","phoneNumber":"0909123456","password":"correct horse"}'

  npm run demo

Ctrl-C stops it; the data stays.
`;
}

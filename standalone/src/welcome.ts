import type { UrlPolicy } from '@voucher-gateway/platform/egress/url-policy';

/** The text that `npm start` prints when everything is ready: the page, how to stop, other URLs, two commands to paste. */
export function welcome({
  gatewayUrl,
  vpsUrl,
  integrationUrl,
  seconds,
  callbacks,
}: {
  gatewayUrl: string;
  vpsUrl: string;
  integrationUrl: string;
  seconds: number;
  /** Which URLs callbacks may have. */
  callbacks: UrlPolicy;
}): string {
  return `
Open ${gatewayUrl}/ in a browser. Ctrl-C stops it; the data stays. Ready in ${seconds.toFixed(1)} s.

  GraphQL      ${gatewayUrl}/graphql  (HTTP and WebSocket; the playground in a browser)
  Provider     ${vpsUrl}
  Integration  ${integrationUrl}
  Callbacks    ${callbacks.allowLoopback ? 'may go to this machine (CALLBACK_ALLOW_LOOPBACK=false stops that)' : 'to public addresses'}

Paste these into another terminal:

  curl -X POST ${gatewayUrl}/user/sign-up -H 'content-type: application/json' \\
    -d '{"username":"ann","phoneNumber":"0909123456","password":"correct horse"}'

  npm run demo
`;
}

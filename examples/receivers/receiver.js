// An example receiver. It verifies each callback, handles each only once, and responds quickly. It needs `npm install
// standardwebhooks`.
//
//   CALLBACK_SECRET=whsec_… PORT=3000 node receiver.js
//   JWKS_URL=http://localhost:8080/.well-known/webhooks-jwks.json PORT=3000 node receiver.js
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { openPublicKeys } from './public-keys.js';

const { CALLBACK_SECRET = '', JWKS_URL, PORT = '3000' } = process.env;
// Verifies with the public keys of the service, or with the secret of a user.
const webhook = JWKS_URL ? await openPublicKeys(JWKS_URL) : new Webhook(CALLBACK_SECRET);
const maxBodyBytes = 20_000;
/**
 * Ids of handled callbacks. In production, store them in a table with a unique column, in the transaction that handles
 * the event.
 */
const handled = new Set();

const server = createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  try {
    const body = await readBody(request);
    if (request.method !== 'POST' || body === null) return answer(400);
    let event;
    try {
      // `verify` checks the signature of the unparsed body. It also checks that the timestamp differs from the clock by
      // at most 5 minutes.
      event = webhook.verify(body, request.headers);
    } catch {
      return answer(401);
    }
    const id = request.headers['webhook-id'];
    // A duplicate also gets a success status, so that it is not sent again.
    if (handled.has(id)) return answer(204);
    handled.add(id);
    process.stdout.write(`${JSON.stringify({ id, ...event })}\n`);
    answer(204);
  } catch {
    // Reading the body fails if the sender has disconnected.
    response.destroy();
  }
});
server.requestTimeout = 10_000;
server.listen(Number(PORT), '127.0.0.1', () => {
  process.stderr.write(`http://127.0.0.1:${server.address().port}/\n`);
});

/** Reads the body of a request. Returns null if the body is too large. */
async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';

/** A request that a callback receiver has received. */
interface ReceivedRequest {
  id: string;
  at: string;
  /** Only the headers in `shownHeaders`. */
  headers: Record<string, string>;
  body: string;
}

const maxReceivers = 100;
const maxBytes = 16_777_216;
const maxRequests = 20;
const maxBodyBytes = 32_768;
const keptMs = 3_600_000;
const shownHeaders = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type', 'user-agent'];

/**
 * Adds a callback receiver for development: `POST /receivers/<id>` stores a request, and `GET` of the same path returns
 * the last requests, newest first. The web page chooses a random UUID as id. Anyone who knows the id may read the
 * requests.
 *
 * The gateway keeps at most 100 receivers, 20 requests per receiver, 32 KiB per request and 16 MiB in total. A receiver
 * is removed an hour after its last request. If other receivers need the space, the least recently used receivers are
 * removed earlier.
 */
export function addCallbackReceiver(app: FastifyInstance): void {
  const receivers = new LRUCache<string, readonly ReceivedRequest[]>({
    max: maxReceivers,
    maxSize: maxBytes,
    sizeCalculation: (requests) => requests.reduce((bytes, request) => bytes + bytesOf(request), 0),
    ttl: keptMs,
  });
  const schema = {
    params: { type: 'object', properties: { id: { type: 'string', pattern: '^[0-9a-f-]{36}$' } } },
  } as const;
  type Receiver = { Params: { id: string } };

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body is stored unparsed, because signatures cover its bytes.
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: maxBodyBytes }, (_request, body, done) =>
      done(null, body),
    );
    scope.post<Receiver>('/receivers/:id', { schema }, async (request, reply) => {
      const { id } = request.params;
      receivers.set(id, [receivedOf(request), ...(receivers.get(id) ?? [])].slice(0, maxRequests));
      return reply.code(204).send();
    });
    scope.get<Receiver>('/receivers/:id', { schema }, async ({ params: { id } }, reply) =>
      reply.header('cache-control', 'no-store').send({ requests: receivers.get(id) ?? [] }),
    );
  });
}

/** Estimates the memory of a request: 1,000 bytes, and two bytes per character of the headers and the body. */
function bytesOf({ headers, body }: ReceivedRequest): number {
  const values = Object.values(headers).reduce((length, value) => length + value.length, 0);
  return 1_000 + 2 * (body.length + values);
}

function receivedOf({ headers, body }: FastifyRequest): ReceivedRequest {
  return {
    id: randomUUID(),
    at: new Date().toISOString(),
    headers: Object.fromEntries(
      shownHeaders.flatMap((name) => {
        const value = headers[name];
        return typeof value === 'string' ? [[name, value.slice(0, 1_024)]] : [];
      }),
    ),
    body: typeof body === 'string' ? body : '',
  };
}

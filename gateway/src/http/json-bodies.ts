import type { IncomingMessage } from 'node:http';
import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type LargeRequests, maxSmallBytes } from '../scheduling/large-requests.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';

export interface JsonBodiesOptions {
  largeRequests: LargeRequests;
  addresses: ClientAddresses;
  /**
   * The place of each large request: the disposable that `LargeRequests.enter` returned. The place is disposed when the
   * request's execution starts, or when the response is closed.
   */
  places: WeakMap<IncomingMessage, Disposable>;
}

/**
 * Parses the JSON bodies of a Fastify scope. A large body waits for a place in `LargeRequests`, which limits the large
 * requests of each requester.
 */
export function parseJsonBodies(scope: FastifyInstance, { largeRequests, addresses, places }: JsonBodiesOptions): void {
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  const awaitPlace = async (request: FastifyRequest, { raw }: FastifyReply, bytes: number) => {
    const requester = requesterOf({ clientAddress: addresses.read(request.raw), signal: createClientSignal(raw) });
    const place = await largeRequests.enter(requester, bytes);
    places.set(request.raw, place);
    if (raw.closed) place[Symbol.dispose]();
    else raw.once('close', () => place[Symbol.dispose]());
  };
  scope.addHook('preValidation', (request, reply, done) => {
    const { body } = request;
    if (!Buffer.isBuffer(body)) return done();
    const read = () =>
      parse(request, body.toString(), (error, value) => {
        request.body = value;
        done(error ?? undefined);
      });
    if (body.length <= maxSmallBytes) read();
    else awaitPlace(request, reply, body.length).then(read, done);
  });
}

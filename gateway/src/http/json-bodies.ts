import type { ClientAddresses } from '@voucher-gateway/platform/http/client-address';
import { createClientSignal } from '@voucher-gateway/platform/http/client-signal';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type LargeRequests, maxSmallBytes } from '../scheduling/large-requests.ts';
import { requesterOf } from '../scheduling/wait-queue.ts';

export interface JsonBodiesOptions {
  largeRequests: LargeRequests;
  addresses: ClientAddresses;
}

/**
 * Parses the JSON bodies of a scope. A large one waits as bytes until its requester has a place for it.
 *
 * @returns function that returns the place of a request, if it is large
 */
export function parseJsonBodies(
  scope: FastifyInstance,
  { largeRequests, addresses }: JsonBodiesOptions,
): (request: FastifyRequest) => Disposable | undefined {
  const places = new WeakMap<FastifyRequest, Disposable>();
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  scope.addHook('preValidation', async (request, { raw }) => {
    const { body } = request;
    if (!Buffer.isBuffer(body)) return;
    if (body.length > maxSmallBytes) {
      const signal = createClientSignal(raw);
      const requester = requesterOf({ clientAddress: addresses.read(request.raw), signal });
      const place = await largeRequests.enter(requester, body.length);
      places.set(request, place);
      if (raw.closed) place[Symbol.dispose]();
      else raw.once('close', () => place[Symbol.dispose]());
    }
    request.body = await new Promise((resolve, reject) => {
      parse(request, body.toString(), (error, value) => (error ? reject(error) : resolve(value)));
    });
  });
  return (request) => places.get(request);
}

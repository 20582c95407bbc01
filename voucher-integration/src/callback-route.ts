import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { refuseInvalidText } from '@voucher-gateway/platform/http-server';
import type { Log } from '@voucher-gateway/platform/log';
import { createRepeatedLines } from '@voucher-gateway/platform/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  challengeOf,
  lateCallbackSchema,
  responsePath,
  type VpsLateCallback,
} from '@voucher-gateway/schema/vps-protocol';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type ProviderRequest, verifies } from './state.ts';
import type { GivenCode, Store } from './store.ts';

export interface CallbackRouteOptions {
  database: Database;
  store: Store;
  log: Log;
}

/**
 * Takes the provider's late codes.
 *
 * | the request | answer |
 * |---|---|
 * | is unknown | 404 |
 * | is not named, and several were acknowledged with the challenge | 400: whose code it is can't be told |
 * | has no challenge yet | 202: kept, and judged when the acknowledgement is stored; 503 when five are kept |
 * | waits, and the verifier is right | 200: settled; row and message are committed before |
 * | has challenges, and the verifier is none of theirs | 403, nothing changes |
 * | is settled with the same code | 200 |
 * | is settled with another code | 409 |
 * | has failed, and the verifier is right, or there is no challenge | 200: kept as unclaimed, published nowhere |
 * | the same, and another code is kept | 409 |
 */
export function addCallbackRoute(app: FastifyInstance, { database, store, log }: CallbackRouteOptions): void {
  // Strangers may send as many as they like.
  const lines = createRepeatedLines(log);
  app.addHook('preValidation', refuseInvalidText);
  app.post(responsePath, async (incoming, reply) => {
    const body = lateCallbackSchema.safeParse(incoming.body);
    if (!body.success) {
      const faults = body.error.issues.map((issue) => issue.path.join('.') || 'the body');
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `The callback does not fit the protocol: ${faults.join(', ')}.`,
      );
    }
    const status = await judge(await find(incoming.query, body.data), body.data);
    return reply.code(status).send({ status: status === 202 ? 'KEPT' : 'OK' });
  });

  async function find(query: unknown, { codeVerifier }: VpsLateCallback): Promise<ProviderRequest | null> {
    const { request } = query as { request?: unknown };
    if (request === undefined) return findByChallenge(challengeOf(codeVerifier));
    const requestId = z.uuid().safeParse(request);
    return requestId.success ? store.read(requestId.data) : null;
  }

  async function findByChallenge(codeChallenge: string): Promise<ProviderRequest | null> {
    const [found = null, another] = await store.findByChallenge(codeChallenge);
    if (!another) return found;
    const { requestId } = another;
    lines.error('challenge', { requestId }, 'the provider has given one challenge to several requests');
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'Several requests have this challenge: name the request.');
  }

  async function judge(request: ProviderRequest | null, callback: VpsLateCallback): Promise<200 | 202> {
    if (!request) throw new CodedError<PublicErrorCode>('NOT_FOUND', 'There is no such request.');
    const { requestId, challenges } = request;
    const given: GivenCode = { voucherCode: callback.voucherCode, status: callback.status, atMs: database.now() };
    const isVerified = verifies(callback.codeVerifier, challenges);
    const isHeld = request.status === 'WAITING' && challenges.length === 0;
    // Nothing is published for one that has ended: its verifier need not be known.
    const endedWithout = request.status !== 'WAITING' && challenges.length === 0;
    if (!isVerified && !isHeld && !endedWithout) {
      lines.warn('verifier', { requestId }, "a callback's verifier is not of this request");
      throw new CodedError<PublicErrorCode>('FORBIDDEN', 'The verifier is not of this request.');
    }
    switch (request.status) {
      case 'WAITING':
        if (isHeld) {
          const held = await database.transaction((tx) =>
            store.hold(tx, requestId, {
              codeVerifier: callback.codeVerifier,
              status: callback.status,
              voucherCode: callback.voucherCode,
              at: new Date(given.atMs).toISOString(),
            }),
          );
          if (held === 'full') throw tooManyHeld();
          if (held === 'held') return 202;
        } else if (await store.settleTogether(request, given)) return 200;
        // Somebody else was quicker: judged by what stands now.
        return judge(await store.read(requestId), callback);
      case 'SETTLED':
        if (request.code === callback.voucherCode) return 200;
        lines.error('settled', { requestId }, 'the provider sent another code for a request that is settled');
        throw new CodedError<PublicErrorCode>('VOUCHER_CODE_CONFLICT', 'This request is settled with another code.');
      case 'FAILED':
        if ((await database.transaction((tx) => store.keepUnclaimed(tx, requestId, given))) !== 'another') return 200;
        lines.error('failed', { requestId }, 'the provider sent another code for a request that has failed');
        throw new CodedError<PublicErrorCode>('VOUCHER_CODE_CONFLICT', 'Another code of this request is kept.');
    }
  }
}

function tooManyHeld(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>(
    'SERVICE_UNAVAILABLE',
    'Too many callbacks of this request wait for its acknowledgement; try again later.',
    { retryable: true },
  );
}

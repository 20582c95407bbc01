import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { refuseInvalidText } from '@voucher-gateway/platform/http/server';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import {
  challengeOf,
  lateCallbackSchema,
  responsePath,
  type VpsLateCallback,
} from '@voucher-gateway/schema/vps-protocol';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { classify } from './classify-callback.ts';
import type { ProviderCode, ProviderRequest } from './state.ts';
import type { Store } from './store.ts';

export interface CallbackRouteOptions {
  database: Database;
  store: Store;
  log: Log;
}

/**
 * Adds the route for the provider's late codes. Its response depends on the result of `classify`:
 *
 * - UNKNOWN: 404
 * - the URL names no request, and several requests have the challenge: 400, because the code can't be assigned
 * - EARLY: 202. The callback is held (stored), and verified when the acknowledgement arrives. 503 if five callbacks of
 *   the request are already held.
 * - VERIFIED: 200, after the request's row and the outcome's message are committed
 * - NOT_VERIFIED: 403, and nothing changes
 * - DUPLICATE: 200
 * - CONFLICT: 409
 * - FAILED: 200. The code is kept as unclaimed, and not published. 409 if another code is already kept.
 */
export function addCallbackRoute(app: FastifyInstance, { database, store, log }: CallbackRouteOptions): void {
  // Repeated log lines are summarised, because anyone can call this route.
  const lines = createRepeatedLines(log);
  app.addHook('preValidation', refuseInvalidText);
  app.post(responsePath, async (incoming, reply) => {
    const body = lateCallbackSchema.safeParse(incoming.body);
    if (!body.success) {
      const invalid = body.error.issues.map((issue) => issue.path.join('.') || 'the body');
      throw new CodedError<PublicErrorCode>(
        'BAD_USER_INPUT',
        `The callback does not fit the protocol: ${invalid.join(', ')}.`,
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
    lines.error('challenge', { requestId }, 'the provider used one challenge for several requests');
    throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', 'Several requests have this challenge: name the request.');
  }

  /** Classifies the callback, stores what has changed, and returns the response's status. */
  async function judge(request: ProviderRequest | null, callback: VpsLateCallback): Promise<200 | 202> {
    const { codeVerifier, voucherCode, status } = callback;
    const code: ProviderCode = { voucherCode, status, atMs: database.now() };
    const found = classify(request, callback);
    switch (found.kind) {
      case 'UNKNOWN':
        throw new CodedError<PublicErrorCode>('NOT_FOUND', 'There is no such request.');
      case 'NOT_VERIFIED':
        lines.warn('verifier', { requestId: found.requestId }, 'a callback has a wrong verifier');
        throw new CodedError<PublicErrorCode>('FORBIDDEN', 'The verifier does not match this request.');
      case 'EARLY': {
        const { requestId } = found;
        const at = new Date(code.atMs).toISOString();
        const held = await database.transaction((tx) =>
          store.hold(tx, requestId, { codeVerifier, status, voucherCode, at }),
        );
        if (held === 'full') throw tooManyHeld();
        return held === 'held' ? 202 : judgeAgain(requestId, callback);
      }
      case 'VERIFIED':
        return (await store.settleInBatch(found.request, code)) ? 200 : judgeAgain(found.request.requestId, callback);
      case 'DUPLICATE':
        return 200;
      case 'CONFLICT':
        lines.error('settled', { requestId: found.requestId }, 'the provider sent another code for a settled request');
        throw new CodedError<PublicErrorCode>('VOUCHER_CODE_CONFLICT', 'This request is settled with another code.');
      case 'FAILED': {
        const { requestId } = found;
        if ((await database.transaction((tx) => store.keepUnclaimed(tx, requestId, code))) !== 'conflict') return 200;
        lines.error('failed', { requestId }, 'the provider sent another code for a failed request');
        throw new CodedError<PublicErrorCode>('VOUCHER_CODE_CONFLICT', 'Another code of this request is kept.');
      }
    }
  }

  /** Reads the request again and classifies the callback again, because the request has changed in the meantime. */
  async function judgeAgain(requestId: string, callback: VpsLateCallback): Promise<200 | 202> {
    return judge(await store.read(requestId), callback);
  }
}

function tooManyHeld(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>(
    'SERVICE_UNAVAILABLE',
    'Too many callbacks of this request wait for its acknowledgement; retry later.',
    { retryable: true },
  );
}

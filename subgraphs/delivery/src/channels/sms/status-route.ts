import { isUuid } from '@voucher-gateway/platform/database/columns';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance } from 'fastify';
import type { SmsReport, SmsReports } from './report.ts';
import { isUndeliverable } from './twilio-answer.ts';
import { isSignedByTwilio } from './twilio-signature.ts';

const path = '/sms/status';
const maxBytes = 16_384;

/**
 * Returns the URL to which Twilio reports about an attempt. The URL contains the delivery's id and the attempt's
 * number, because Twilio's message id is not stored. Twilio's signature covers the URL.
 */
export function smsStatusUrl(publicUrl: string, { deliveryId, turn }: { deliveryId: string; turn: number }): string {
  return `${publicUrl}${path}?delivery=${deliveryId}&turn=${turn}`;
}

export interface SmsStatusRouteOptions {
  /** The value of `DELIVERY_PUBLIC_URL`. */
  publicUrl: string;
  authToken: string;
  reports: SmsReports;
  log: Log;
}

/**
 * Adds the route for Twilio's status callbacks.
 *
 * | case | response |
 * |---|---|
 * | not a form, or larger than 16 kB | 415, 413 |
 * | no signature, or a wrong one | 403, nothing changes |
 * | an unknown delivery or attempt | 404 |
 * | `delivered`, `read` | 204: the delivery becomes DELIVERED, even if it had failed |
 * | `undelivered`, `failed`, `canceled` | 204: the attempt becomes failed, but only if no later attempt was made |
 * | any other status, such as `sent` | 204, nothing changes |
 */
export async function addSmsStatusRoute(app: FastifyInstance, options: SmsStatusRouteOptions): Promise<void> {
  const { publicUrl, authToken, reports, log } = options;
  // Repeated log lines are summarised, because anyone can call this route.
  const lines = createRepeatedLines(log);
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: maxBytes },
      async (_request: unknown, body: string) => new URLSearchParams(body),
    );
    scope.post(path, async (request, reply) => {
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
      const search = /\?.*$/.exec(request.url)?.[0] ?? '';
      const signature = request.headers['x-twilio-signature'];
      const isSigned =
        typeof signature === 'string' &&
        isSignedByTwilio(signature, { authToken, url: `${publicUrl}${path}${search}`, form });
      if (!isSigned) {
        lines.warn('signature', {}, 'a status callback of an SMS is not signed by Twilio for DELIVERY_PUBLIC_URL');
        throw new CodedError<PublicErrorCode>('FORBIDDEN', 'The signature is not valid.');
      }
      const attempt = attemptOf(new URLSearchParams(search));
      const status = form.get('MessageStatus') ?? '';
      const report = attempt && reportOf(attempt, status, form.get('ErrorCode'));
      const result = report ? await reports.apply(report) : attempt ? 'ignored' : 'unknown';
      log.info(
        { ...attempt, providerId: form.get('MessageSid'), status, result },
        'the SMS provider reports on an SMS',
      );
      if (result === 'unknown') throw new CodedError<PublicErrorCode>('NOT_FOUND', 'There is no such SMS.');
      return reply.code(204).send();
    });
  });
}

function attemptOf(query: URLSearchParams): { deliveryId: string; turn: number } | null {
  const deliveryId = query.get('delivery') ?? '';
  const turn = query.get('turn') ?? '';
  return isUuid(deliveryId) && /^[1-9]\d{0,8}$/.test(turn) ? { deliveryId, turn: Number(turn) } : null;
}

function reportOf(
  attempt: { deliveryId: string; turn: number },
  status: string,
  errorCode: string | null,
): SmsReport | null {
  switch (status) {
    case 'delivered':
    case 'read':
      return { ...attempt, outcome: 'delivered' };
    case 'undelivered':
    case 'failed':
    case 'canceled': {
      const code = /^[1-9]\d{0,5}$/.test(errorCode ?? '') ? Number(errorCode) : null;
      return { ...attempt, outcome: 'undelivered', code, final: isUndeliverable(code) };
    }
    default:
      return null;
  }
}

import { type Clock, timeoutSignal } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createRepeatedLines } from '@voucher-gateway/platform/process/repeated-lines';
import { Agent, type Dispatcher, request } from 'undici';
import { delivered, failed, type SendResult } from '../../attempt-result.ts';
import type { DeliveryErrorCode } from '../../operator-errors.ts';
import { attemptErrorOf } from '../callback/error-codes.ts';
import { parseRetryAfterMs } from '../callback/retry-after.ts';
import type { Sms, SmsSender } from './sms.ts';
import { readTwilioAnswer, type TwilioVerdict } from './twilio-answer.ts';

export interface TwilioSenderOptions {
  clock: Clock;
  timeoutMs: number;
  /** Base URL of Twilio, without the path of the API. */
  url: string;
  accountSid: string;
  authToken: string;
  /** The sender: a phone number or name, or a messaging service that chooses one. */
  from: { From: string } | { MessagingServiceSid: string };
  /**
   * The URL for Twilio's reports, and how long a report is awaited. Default: there are no reports, and acceptance
   * counts as delivery.
   */
  reports?: { urlOf(sms: Pick<Sms, 'deliveryId' | 'turn'>): string; withinMs: number };
  log: Log;
  /** Returns a number from 0 to 1. Default: `Math.random`. */
  random?: () => number;
}

/** Limit of the bytes that are read of an answer. */
const answerBytes = 65_536;
/** After Twilio has refused the account, nothing is sent for this time, in milliseconds. */
const refusedForMs = 30_000;
/** Bounds of the delay before the next attempt if Twilio refuses the account, in milliseconds. */
const postponeMs = { shortest: 60_000, longest: 1_800_000 };

/**
 * Creates a sender that uses Twilio's API. Twilio has no idempotency key. So an attempt without an answer may have sent
 * the SMS, and the retry sends it a second time.
 *
 * What Twilio's answers mean:
 *
 * - 2xx, whatever the body: the SMS counts as delivered. With `reports`, the SMS counts only as accepted until Twilio
 *   reports that the phone has the SMS.
 * - A code for a phone number that can't get SMS: the SMS has failed with SMS_REFUSED, and is not retried.
 * - 401, 403, 404, 3xx, or a code for an account that is not set up: the SMS is postponed, an error is logged, and
 *   nothing is sent for 30 s.
 * - 408, 429, 5xx, or 400 with another code: the attempt has failed with SMS_FAILED, and is retried.
 * - No answer: the attempt has failed with TIMEOUT, CONNECTION_LOST or a similar code, and is retried.
 */
export function createTwilioSender(options: TwilioSenderOptions): SmsSender & AsyncDisposable {
  const { clock, timeoutMs, url, accountSid, authToken, from, reports, log, random = Math.random } = options;
  // undici's time-outs are turned off, because each attempt has a time-out of its own.
  const agent = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: 16_384,
    // While HTTP/2 is allowed, undici's requests wait for the first TLS handshake.
    allowH2: false,
    connect: { timeout: timeoutMs },
  });
  const messagesUrl = `${url}/2010-04-01/Accounts/${accountSid}/Messages.json`;
  const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;
  const lines = createRepeatedLines(log);
  let refusedUntilMs = Number.NEGATIVE_INFINITY;

  const postpone = ({ createdAt }: Sms): SendResult => {
    const ageMs = clock.now() - createdAt.getTime();
    const baseMs = Math.min(Math.max(ageMs / 4, postponeMs.shortest), postponeMs.longest);
    return { outcome: 'postponed', reason: 'SMS_ACCOUNT_REFUSED', delayMs: Math.round(baseMs * (1 + random())) };
  };

  return {
    async send(sms, stop) {
      if (clock.now() < refusedUntilMs) return postpone(sms);
      using timeout = timeoutSignal(clock, timeoutMs);
      const signal = AbortSignal.any([timeout, stop]);
      let response: Dispatcher.ResponseData;
      try {
        response = await request(messagesUrl, {
          method: 'POST',
          dispatcher: agent,
          signal,
          headers: {
            authorization,
            accept: 'application/json',
            'content-type': 'application/x-www-form-urlencoded',
            'user-agent': 'voucher-gateway',
          },
          body: new URLSearchParams({
            To: sms.phoneNumber,
            ...from,
            Body: sms.text,
            ...(reports && { StatusCallback: reports.urlOf(sms) }),
          }).toString(),
        });
      } catch (error) {
        if (timeout.aborted) return failed('TIMEOUT');
        if (stop.aborted) return { outcome: 'stopped' };
        return failed(attemptErrorOf(error));
      }
      const status = response.statusCode;
      const verdict = readTwilioAnswer(status, await readAnswer(response.body));
      return resultOf(sms, verdict, {
        status,
        retryAfterMs: parseRetryAfterMs(response.headers['retry-after'], clock.now()),
      });
    },
    async ping() {
      if (clock.now() < refusedUntilMs) throw accountRefused();
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };

  function resultOf(
    sms: Sms,
    { kind, code, sid }: TwilioVerdict,
    { status, retryAfterMs }: { status: number; retryAfterMs: number | null },
  ): SendResult {
    const { deliveryId, turn } = sms;
    const response = code === null ? null : String(code);
    switch (kind) {
      case 'accepted':
        log.info({ deliveryId, turn, providerId: sid }, 'the SMS provider has accepted an SMS');
        return reports ? { outcome: 'accepted', reportWithinMs: reports.withinMs } : delivered(null);
      case 'refused':
        return failed('SMS_REFUSED', { final: true, response });
      case 'failed':
        return failed('SMS_FAILED', { retryAfterMs, response, providerStatus: status });
      case 'account':
        refusedUntilMs = clock.now() + refusedForMs;
        lines.error(
          'account',
          { error: accountRefused(), httpStatus: status, providerCode: code },
          'the SMS provider refuses the account: every SMS waits until it accepts it',
        );
        return postpone(sms);
    }
  }
}

function accountRefused(): CodedError<DeliveryErrorCode> {
  return new CodedError('SMS_ACCOUNT_REFUSED', 'The SMS provider refuses our account, sender or address.');
}

/** Reads an answer's text. Returns an empty text for an answer that is too long or incomplete. */
async function readAnswer(body: Dispatcher.ResponseData['body']): Promise<string> {
  // The listener is needed, because a body that is not read to its end emits an error.
  body.on('error', () => {});
  try {
    return (await readBoundedText(body, answerBytes)) ?? '';
  } catch {
    return '';
  } finally {
    body.destroy();
  }
}

import { z } from 'zod';

/**
 * What an answer of Twilio to a new message means:
 *
 * - `accepted`: the message is created
 * - `refused`: Twilio will never send to this phone number
 * - `account`: Twilio does not serve our account, and the message is not at fault
 * - `failed`: a later attempt may succeed
 */
export interface TwilioVerdict {
  kind: 'accepted' | 'refused' | 'account' | 'failed';
  /** Twilio's error code; null without one. */
  code: number | null;
  /** Twilio's id of the message; null without one. */
  sid: string | null;
}

const answerSchema = z.object({
  sid: z.string().max(64).nullish().catch(null),
  status: z.unknown(),
  code: z.number().nullish().catch(null),
  error_code: z.number().nullish().catch(null),
});

/** Codes of phone numbers and texts that Twilio never accepts. */
const refusedCodes: ReadonlySet<number> = new Set([
  21_211, // invalid `To`
  21_214, // `To` can not be reached
  21_217, // invalid phone number
  21_219, // not verified, for a trial account
  21_265, // `To` is a short code
  21_266, // `To` is the sender
  21_408, // no permission for the region
  21_608, // not verified, for a trial account
  21_610, // the recipient has unsubscribed
  21_612, // no route from the sender to `To`
  21_614, // `To` is not a mobile number
  21_617, // text too long
  21_635, // `To` is a landline
]);

/**
 * Codes that say that a sender, a messaging service or an account is not set up. None of them depends on the phone
 * number.
 */
const accountCodes: ReadonlySet<number> = new Set([
  20_003, // wrong credentials
  20_005, // account not active
  20_404, // no such account
  21_212, // invalid `From`
  21_603, // no `From`
  21_606, // `From` can not send to `To`
  21_609, // invalid status callback
  21_659, // `From` is not a number of Twilio
  21_660, // `From` belongs to another account
  21_661, // `From` can not send an SMS
  21_701, // no such messaging service
  21_703, // messaging service without a sender
  21_704, // messaging service without a sender
  21_705, // invalid messaging service
  30_002, // account suspended
  63_038, // daily limit of the account
]);

/** Codes of accepted messages that will never arrive, even if they are sent again. */
const undeliverableCodes: ReadonlySet<number> = new Set([
  21_610, // the recipient has unsubscribed
  30_004, // blocked
  30_005, // unknown phone number
  30_006, // landline, or an unreachable carrier
  30_007, // filtered as spam
  30_034, // sender not registered
]);

/**
 * Reads an answer. A text that is not Twilio's JSON is ignored. Then only the status counts.
 *
 * @see https://www.twilio.com/docs/messaging/api/message-resource
 */
export function readTwilioAnswer(status: number, text: string): TwilioVerdict {
  const answer = parseAnswer(text);
  const sid = answer?.sid ?? null;
  const code = answer?.code ?? answer?.error_code ?? null;
  return { kind: kindOf(status, code), code, sid };
}

function kindOf(status: number, code: number | null): TwilioVerdict['kind'] {
  if (status >= 200 && status < 300) return 'accepted';
  if (code !== null && refusedCodes.has(code)) return 'refused';
  if (code !== null && accountCodes.has(code)) return 'account';
  if (status === 408 || status === 429 || status >= 500) return 'failed';
  // A 400 with another code may be caused by the message or by us. The attempt is retried by the schedule.
  return status === 400 ? 'failed' : 'account';
}

/** Whether another attempt to send an undelivered message would also fail. */
export function isUndeliverable(code: number | null): boolean {
  return code !== null && undeliverableCodes.has(code);
}

function parseAnswer(text: string): z.output<typeof answerSchema> | null {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

import { CodedError } from '@voucher-gateway/platform/errors';
import { toE164 } from '@voucher-gateway/platform/identity/phone-number';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/**
 * Checks that a phone number belongs to the user, and returns it as E.164. If no phone number is given, returns the
 * user's own phone number.
 *
 * @param argument path of the argument, for the error
 * @throws CodedError PHONE_NUMBER_INVALID, FORBIDDEN
 */
export function requireOwnPhoneNumber(
  identity: Identity,
  phoneNumber: string | null | undefined,
  region: string,
  argument: string,
): string {
  if (phoneNumber === null || phoneNumber === undefined) return identity.phoneNumber;
  const e164 = toE164(phoneNumber, region);
  if (!e164)
    throw new CodedError<PublicErrorCode>('PHONE_NUMBER_INVALID', 'This is not a valid phone number.', {
      details: { argument },
    });
  if (e164 !== identity.phoneNumber)
    throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.', { details: { argument } });
  return e164;
}

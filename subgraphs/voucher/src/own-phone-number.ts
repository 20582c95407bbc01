import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import { toE164 } from '@voucher-gateway/platform/phone-number';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';

/**
 * The phone number asked for, which must be the user's own; that one where none is given.
 *
 * @param argument path of the argument, for the error
 * @throws CodedError PHONE_NUMBER_INVALID, FORBIDDEN
 */
export function ownPhoneNumber(
  identity: Identity,
  given: string | null | undefined,
  region: string,
  argument: string,
): string {
  if (given === null || given === undefined) return identity.phoneNumber;
  const e164 = toE164(given, region);
  if (!e164)
    throw new CodedError<PublicErrorCode>('PHONE_NUMBER_INVALID', 'This is not a valid phone number.', {
      details: { argument },
    });
  if (e164 !== identity.phoneNumber)
    throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.', { details: { argument } });
  return e164;
}

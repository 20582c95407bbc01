import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js';

/** A phone number as E.164, read in `region` where it has no country code; null for one that is not valid. */
export function toE164(text: string, region: string): string | null {
  if (text.length > 40) return null;
  const parsed = parsePhoneNumberFromString(text, region as CountryCode);
  return parsed?.isValid() ? parsed.number : null;
}

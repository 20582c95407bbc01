import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';

/** A phone number as E.164, read in `region` where it has no country code; null for one that is not valid. */
export function toE164(text: string, region: string): string | null {
  if (text.length > 40) return null;
  const parsed = parsePhoneNumberFromString(text, region as CountryCode);
  return parsed?.isValid() ? parsed.number : null;
}

/** The setting that says in which region phone numbers without a country code are read. */
export function region() {
  return z
    .string()
    .default('VN')
    .refine((code) => isSupportedCountry(code), 'must be a two-letter country code such as VN');
}

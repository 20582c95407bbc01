import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';

/** What people write a number with. libphonenumber would also read `tel:`, an extension, or a trailing `~`. */
const written = /^\+?[\d(][\d ().-]*\d$/;

/**
 * A phone number as E.164, read in `region` where it has no country code; null for one that is not valid, and for
 * one with anything before or after it, spaces too.
 */
export function toE164(text: string, region: string): string | null {
  if (text.length > 40 || !written.test(text)) return null;
  const parsed = parsePhoneNumberFromString(text, { defaultCountry: region as CountryCode, extract: false });
  return parsed?.isValid() ? parsed.number : null;
}

/** The setting that says in which region phone numbers without a country code are read. */
export function region() {
  return z
    .string()
    .default('VN')
    .refine((code) => isSupportedCountry(code), 'must be a two-letter country code such as VN');
}

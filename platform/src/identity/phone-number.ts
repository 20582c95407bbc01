import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';

/**
 * The characters that people use in phone numbers. libphonenumber would also accept `tel:`, an extension, or a trailing
 * `~`.
 */
const written = /^\+?[\d(][\d ().-]*\d$/;

/**
 * Converts a phone number to E.164, such as `+84901234567`. A number without a country code counts as a number of
 * `region`. Returns null if the text is no valid number, or has other characters around the number, even spaces.
 */
export function toE164(text: string, region: string): string | null {
  if (text.length > 40 || !written.test(text)) return null;
  const parsed = parsePhoneNumberFromString(text, { defaultCountry: region as CountryCode, extract: false });
  return parsed?.isValid() ? parsed.number : null;
}

/** The setting for the region of phone numbers without a country code. */
export function region() {
  return z
    .string()
    .default('VN')
    .refine((code) => isSupportedCountry(code), 'must be a two-letter country code such as VN');
}

import { listItems } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';

/** The entry of ALLOWED_ORIGINS that allows every origin. */
export const anyOrigin = '*';

/**
 * Creates the schema of the setting `ALLOWED_ORIGINS`: comma-separated origins, or `*`. Origins are parsed to the form
 * that browsers write in the `Origin` header. The parsed value is undefined if the setting is missing. The message for
 * an invalid value contains the first entry that is not an origin.
 */
export function allowedOrigins() {
  return z
    .string()
    .optional()
    .transform((text, context): readonly string[] | undefined => {
      if (text === undefined) return undefined;
      const entries = listItems(text);
      if (entries.includes(anyOrigin) && entries.length > 1) {
        context.addIssue({ code: 'custom', message: 'must be * alone, or origins without it' });
        return z.NEVER;
      }
      const origins = entries.map(readOrigin);
      const wrong = entries[origins.indexOf(null)];
      if (wrong !== undefined)
        context.addIssue({
          code: 'custom',
          message: `must be origins such as https://shop.example, without a path: ${wrong} is none`,
        });
      return origins.filter((origin) => origin !== null);
    });
}

interface OriginConfig {
  ALLOWED_ORIGINS?: readonly string[] | undefined;
  NODE_ENV: string;
}

/**
 * Creates the function that returns whether a web page of an origin may call the gateway. Requests without an `Origin`
 * header are allowed, because only browsers send that header.
 */
export function originPolicy({
  ALLOWED_ORIGINS,
  NODE_ENV,
}: OriginConfig): (origin: string | undefined, host?: string) => boolean {
  const allowed = new Set(ALLOWED_ORIGINS);
  return (origin, host) => {
    if (origin === undefined || allowed.has(origin) || allowed.has(anyOrigin)) return true;
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    // The page is from this gateway itself, for example the playground.
    if (host !== undefined && url.host === host) return true;
    return (
      ALLOWED_ORIGINS === undefined &&
      NODE_ENV !== 'production' &&
      /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname)
    );
  };
}

/**
 * Returns `*` unchanged, and an origin as browsers write it in the `Origin` header. Returns null for any other text.
 */
function readOrigin(entry: string): string | null {
  if (entry === anyOrigin) return entry;
  // The origins of mobile apps have custom schemes, such as capacitor://localhost.
  const [, origin] = /^([a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+)\/?$/i.exec(entry) ?? [];
  if (origin === undefined || !URL.canParse(origin)) return null;
  const url = new URL(origin);
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}

import { listItems } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';

/** Allows every origin. */
export const anyOrigin = '*';

/**
 * Creates the schema of the setting `ALLOWED_ORIGINS`: comma-separated origins, or `*`. It parses to origins in the
 * form that browsers send; undefined if not set. The error names a wrong entry.
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

/** Normalises an origin to the form that browsers send; null if it is not an origin. */
function readOrigin(entry: string): string | null {
  if (entry === anyOrigin) return entry;
  // Apps have custom schemes, such as capacitor://localhost.
  const [, origin] = /^([a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+)\/?$/i.exec(entry) ?? [];
  if (origin === undefined || !URL.canParse(origin)) return null;
  const url = new URL(origin);
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}

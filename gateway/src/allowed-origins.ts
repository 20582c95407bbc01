import { z } from 'zod';

/** Stands for the origins of all pages. */
export const anyOrigin = '*';

/**
 * The setting `ALLOWED_ORIGINS`: origins with commas between them, as browsers write them once parsed, or `*`. A wrong
 * entry is refused by name. Undefined when not set.
 */
export function allowedOrigins() {
  return z
    .string()
    .optional()
    .transform((text, context): readonly string[] | undefined => {
      if (text === undefined) return undefined;
      const entries = text
        .split(',')
        .map((entry) => entry.trim())
        .filter(Boolean);
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

/** As a browser sends it; null for what is no origin. */
function readOrigin(entry: string): string | null {
  if (entry === anyOrigin) return entry;
  // Apps have schemes of their own, such as capacitor://localhost.
  const [, origin] = /^([a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+)\/?$/i.exec(entry) ?? [];
  if (origin === undefined || !URL.canParse(origin)) return null;
  const url = new URL(origin);
  return url.origin === 'null' ? `${url.protocol}//${url.host}` : url.origin;
}

import { timestamp } from 'drizzle-orm/pg-core';

/** Defines a column for an instant, with millisecond precision. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

/**
 * Whether a client's text is valid for a column of type `uuid`. For an invalid text the database would refuse the whole
 * statement.
 */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

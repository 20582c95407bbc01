const operations = import.meta.glob('../../schema/operations/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/**
 * The result of `encodeCursor(null)`. It is written out here, because `encodeCursor` (schema/src/cursor.ts) runs only
 * in Node.
 */
const startOfFeed = 'djE6';

/** A tab per sample operation, with variables that make it runnable. */
export function sampleTabs() {
  // A random name and number, because both must be unique among existing users.
  const digits = String(Math.floor(Math.random() * 1e7)).padStart(7, '0');
  const username = `ann-${digits}`;
  const password = 'correct horse';
  const variables = {
    'sign-up': { input: { username, phoneNumber: `090${digits}`, password } },
    'sign-in': { input: { username, password } },
    'request-voucher': { input: { callbackUrl: null } },
    'voucher-received': { after: startOfFeed },
    'purchased-vouchers': { first: 20, after: null },
  };
  return Object.entries(operations)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([path, query]) => {
      const given = variables[path.replace(/^.*\/\d+-|\.graphql$/g, '')];
      return { query, variables: given && JSON.stringify(given, null, 2) };
    });
}

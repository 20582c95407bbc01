const operations = import.meta.glob('../../schema/operations/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** `encodeCursor(null)` of schema/src/cursor.ts, which needs Node. */
const startOfFeed = 'djE6';

/** A tab for each sample operation, its variables filled in so that it runs as it stands. */
export function sampleTabs() {
  // A fresh name and number, because both are unique: signing up works on a database that has users.
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

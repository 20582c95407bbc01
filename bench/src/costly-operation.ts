const rootFields = 20;
const tokensLeft = 4_900;
const fields = ['id', 'requestId', 'code', 'status', 'phoneNumber', 'requestedAt', 'receivedAt'];
let created = 0;

/**
 * Creates an operation just below the gateway's default limits of root fields and tokens. Each call returns a different
 * text, so that no cache helps.
 */
export function costlyOperation(): string {
  created += 1;
  // A root field has ten tokens besides its selections.
  const each = Math.floor(tokensLeft / rootFields) - 10;
  const selected = Array.from({ length: each }, (_, index) => fields[index % fields.length]).join(' ');
  const roots = Array.from(
    { length: rootFields },
    (_, index) => `a${index}: purchasedVouchers(first: 10) { nodes { ${selected} } }`,
  );
  return `query Costly${created} { ${roots.join(' ')} }`;
}

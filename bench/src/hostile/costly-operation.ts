const rootFields = 20;
const tokensLeft = 4_900;
const fields = ['id', 'requestId', 'code', 'status', 'phoneNumber', 'requestedAt', 'receivedAt'];
let created = 0;

/** Root fields with selections, just below the gateway's default limits of root fields and tokens. */
const selections = Array.from({ length: rootFields }, (_, index) => {
  // A root field has ten tokens, without the selected fields of `nodes`.
  const each = Math.floor(tokensLeft / rootFields) - 10;
  const selected = Array.from({ length: each }, (_, index) => fields[index % fields.length]).join(' ');
  return `a${index}: purchasedVouchers(first: 10) { nodes { ${selected} } }`;
}).join(' ');

/** Creates a costly operation. Each call returns a different text, so the gateway finds it in no cache. */
export function costlyOperation(): string {
  created += 1;
  return `query Costly${created} { ${selections} }`;
}

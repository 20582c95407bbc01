/** A request of a customer with one idempotency key, including all its retries. */
export interface LedgerRequest {
  /** Phone number of the customer, as E.164. */
  customer: string;
  key: string;
  /** Whether the request must be refused, because it is for another customer's phone number. */
  isForbidden: boolean;
  /** Ids in the responses that accepted the request, in order. */
  ids: string[];
  /** Error code of the response that refused the request permanently. */
  refusal?: string;
}

/** A call of a customer's receiver. */
export interface ReceivedCallback {
  /** Phone number of the customer whose receiver was called. */
  customer: string;
  requestId: string;
  type: string;
  /** The voucher's code; empty if the request failed. */
  code: string;
  webhookId: string;
  body: string;
  /** Whether the signature matches the customer's secret. */
  isGenuine: boolean;
  /** Whether the receiver responded with 200. */
  isTaken: boolean;
}

/** A voucher that a customer has seen, in a subscription or in the list of vouchers. */
export interface SeenVoucher {
  customer: string;
  id: string;
  requestId: string;
  code: string;
}

/** The records of customers, their receivers and the provider. Each list is in order. */
export interface Ledger {
  requests: readonly LedgerRequest[];
  /** The provider's own ledger. */
  sold: readonly { requestId: string; code: string }[];
  callbacks: readonly ReceivedCallback[];
  streamed: readonly SeenVoucher[];
  /** The stored vouchers by customer, in feed order. */
  stored: readonly SeenVoucher[];
  /** Requests whose status is FAILED, with the reason. */
  failed: readonly { requestId: string; reason: string | null }[];
}

/** A check of the ledger and its result. */
export interface Check {
  /** The checked promise of docs/reliability.md, A to F. `-` means a check of the final state. */
  promise: 'A' | 'B' | 'C' | 'D' | 'E' | 'F' | '-';
  title: string;
  /** Number of checked entries. */
  checked: number;
  /** Short descriptions of the violations. */
  broken: readonly string[];
}

/** Checks every promise for every request, without sampling. */
export function checkLedger(ledger: Ledger): Check[] {
  const ownerOf = new Map(ledger.requests.flatMap(({ ids, customer }) => ids.map((id) => [id, customer] as const)));
  const accepted = [...ownerOf.keys()];
  const sold = groupBy(ledger.sold, ({ requestId }) => requestId);
  const stored = groupBy(ledger.stored, ({ requestId }) => requestId);
  const calls = groupBy(ledger.callbacks, ({ requestId }) => requestId);
  const failed = new Map(ledger.failed.map(({ requestId, reason }) => [requestId, reason]));
  const codesOf = (id: string) =>
    new Set([
      ...(stored.get(id) ?? []).map(({ code }) => code),
      ...(calls.get(id) ?? []).filter(({ type }) => type === 'voucher.received').map(({ code }) => code),
    ]);
  const hasFailed = (id: string) =>
    failed.has(id) || (calls.get(id) ?? []).some(({ type }) => type === 'voucher.failed');
  const check = (promise: Check['promise'], title: string, checked: number, broken: string[]): Check => ({
    promise,
    title,
    checked,
    broken,
  });
  const ofAccepted = (promise: Check['promise'], title: string, isBroken: (id: string) => boolean) =>
    check(promise, title, accepted.length, accepted.filter(isBroken));

  return [
    ofAccepted('A', 'accepted requests without an outcome (lost)', (id) => !stored.has(id) && !failed.get(id)),
    ofAccepted('A', 'accepted requests with two outcomes', (id) => codesOf(id).size + Number(hasFailed(id)) > 1),
    ofAccepted('A', 'requests for which two codes were bought', (id) => (sold.get(id) ?? []).length > 1),
    ofAccepted('A', 'codes that differ from the bought one', (id) =>
      [...codesOf(id)].some((code) => code !== sold.get(id)?.[0]?.code),
    ),
    ofAccepted('B', 'more than one voucher for a request (doubled)', (id) => (stored.get(id) ?? []).length > 1),
    ofAccepted('C', 'requests without a callback', (id) => !calls.get(id)?.some(({ isTaken }) => isTaken)),
    ofAccepted('C', 'attempts with different ids or bodies', (id) => {
      const ofRequest = calls.get(id) ?? [];
      return ofRequest.some(
        ({ webhookId, body }) => webhookId !== ofRequest[0]?.webhookId || body !== ofRequest[0]?.body,
      );
    }),
    check(
      'C',
      'wrong signatures',
      ledger.callbacks.length,
      ledger.callbacks.filter((call) => !call.isGenuine).map(nameOf),
    ),
    ...[
      ['callbacks', ledger.callbacks] as const,
      ['subscription events', ledger.streamed] as const,
      ['stored vouchers', ledger.stored] as const,
    ].map(([what, seen]) =>
      check('D', `${what} of another client`, seen.length, seen.filter((one) => isOfAnother(one, ownerOf)).map(nameOf)),
    ),
    check('D', 'codes of two requests', ledger.stored.length, codesOfTwo(ledger.stored)),
    ...checkRefusals(ledger, ownerOf),
    ...checkFeeds(ledger),
  ];
}

const nameOf = ({ customer, requestId }: { customer: string; requestId: string }) => `${requestId} at ${customer}`;

/**
 * Whether a voucher or callback belongs to another customer's request, which violates promise D. Returns false if no
 * customer got the request's id in a response: that violates promise E instead.
 */
function isOfAnother(seen: { customer: string; requestId: string }, ownerOf: ReadonlyMap<string, string>): boolean {
  const owner = ownerOf.get(seen.requestId);
  return owner !== undefined && owner !== seen.customer;
}

function codesOfTwo(stored: Ledger['stored']): string[] {
  const byCode = groupBy(stored, ({ code }) => code);
  return [...byCode].filter(([, of]) => new Set(of.map(({ requestId }) => requestId)).size > 1).map(([code]) => code);
}

/** Checks promise E: a refused request has no side effects, and an idempotency key leads to only one request. */
function checkRefusals({ requests, ...ledger }: Ledger, ownerOf: ReadonlyMap<string, string>): Check[] {
  const traces = [
    ...ledger.sold.map(({ requestId }) => ({ where: 'bought', requestId })),
    ...ledger.callbacks.map(({ requestId }) => ({ where: 'called back', requestId })),
    ...ledger.stored.map(({ requestId }) => ({ where: 'stored', requestId })),
  ];
  const repeated = requests.filter(({ ids }) => ids.length > 1);
  const valid = requests.filter(({ isForbidden }) => !isForbidden);
  return [
    {
      promise: 'E',
      title: 'side effects of requests that were not accepted',
      checked: traces.length,
      broken: traces.filter(({ requestId }) => !ownerOf.has(requestId)).map((of) => `${of.where}: ${of.requestId}`),
    },
    {
      promise: 'E',
      title: 'idempotency keys with two requests',
      checked: repeated.length,
      broken: repeated.filter(({ ids }) => new Set(ids).size > 1).map(({ key }) => key),
    },
    {
      promise: 'E',
      title: 'permanent refusals without a reason',
      checked: valid.length,
      broken: valid.filter(({ refusal }) => refusal !== undefined).map(({ key, refusal }) => `${key}: ${refusal}`),
    },
    {
      promise: 'E',
      title: 'requests without a response',
      checked: requests.length,
      broken: requests.filter(({ ids, refusal }) => ids.length === 0 && refusal === undefined).map(({ key }) => key),
    },
    {
      promise: 'E',
      title: 'forbidden requests that were accepted',
      checked: requests.length - valid.length,
      broken: requests.filter((one) => one.isForbidden && one.ids.length > 0).map(({ key }) => key),
    },
  ];
}

/** Checks promise F: each customer's subscription has received the whole feed in order. */
function checkFeeds({ stored, streamed }: Ledger): Check[] {
  const seenBy = groupBy(streamed, ({ customer }) => customer);
  const missed: string[] = [];
  const repeated: string[] = [];
  const outOfOrder: string[] = [];
  for (const [customer, feed] of groupBy(stored, ({ customer }) => customer)) {
    const positions = new Map(feed.map(({ id }, index) => [id, index]));
    const seen = new Set<string>();
    let last = -1;
    for (const one of seenBy.get(customer) ?? []) {
      const position = positions.get(one.id) ?? last;
      if (seen.has(one.id)) repeated.push(nameOf(one));
      else if (position < last) outOfOrder.push(nameOf(one));
      seen.add(one.id);
      last = Math.max(last, position);
    }
    missed.push(...feed.filter(({ id }) => !seen.has(id)).map(nameOf));
  }
  return [
    { promise: 'F', title: 'events that a resuming subscriber missed', checked: stored.length, broken: missed },
    { promise: 'F', title: 'events that it got twice', checked: streamed.length, broken: repeated },
    { promise: 'F', title: 'events that it got out of order', checked: streamed.length, broken: outOfOrder },
  ];
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  return Map.groupBy(values, keyOf);
}

import { describe, expect, it } from 'vitest';
import { checkLedger, type Ledger, type LedgerRequest } from './ledger.ts';

const ann = '+84900000001';
const bob = '+84900000002';

type Draft = { [List in keyof Ledger]: Ledger[List][number][] };

const requestBy = (customer: string, id: string): LedgerRequest => ({
  customer,
  key: `key-${id}`,
  isForbidden: false,
  ids: [id],
});
const voucherOf = (customer: string, requestId: string) => ({
  customer,
  id: `voucher-${requestId}`,
  requestId,
  code: `code-${requestId}`,
});
const callbackOf = (customer: string, requestId: string) => ({
  customer,
  requestId,
  type: 'voucher.received',
  code: `code-${requestId}`,
  webhookId: `webhook-${requestId}`,
  body: `body of ${requestId}`,
  isGenuine: true,
  isTaken: true,
});

/**
 * Creates a correct ledger: three requests of two customers, each with its voucher, callback and event. One request was
 * repeated, and a forbidden request was refused.
 */
function createLedger(): Draft {
  const requests = [
    [ann, 'a1'],
    [ann, 'a2'],
    [bob, 'b1'],
  ] as const;
  return {
    requests: [
      ...requests.map(([customer, id]) => requestBy(customer, id)),
      { ...requestBy(ann, 'a1'), ids: ['a1', 'a1'] },
      { customer: bob, key: 'not-own', isForbidden: true, ids: [], refusal: 'FORBIDDEN' },
    ],
    sold: requests.map(([, requestId]) => ({ requestId, code: `code-${requestId}` })),
    callbacks: requests.map(([customer, id]) => callbackOf(customer, id)),
    streamed: requests.map(([customer, id]) => voucherOf(customer, id)),
    stored: requests.map(([customer, id]) => voucherOf(customer, id)),
    failed: [],
  };
}

/** Changes a correct ledger, and returns the titles of the failed checks with their numbers of violations. */
const brokenBy = (change: (ledger: Draft) => void) => {
  const ledger = createLedger();
  change(ledger);
  return Object.fromEntries(
    checkLedger(ledger)
      .filter(({ broken }) => broken.length > 0)
      .map(({ promise, title, broken }) => [`${promise}: ${title}`, broken.length]),
  );
};

/** Changes the first entry of a list, and returns it. */
const change = <T extends object>(list: T[], to: Partial<T>) => Object.assign(list[0] as T, to);

describe('soak: ledger', () => {
  it('ledger: finds nothing in a correct ledger, and counts what it has checked', () => {
    expect(brokenBy(() => {})).toEqual({});
    for (const { title, checked } of checkLedger(createLedger())) expect([title, checked > 0]).toEqual([title, true]);
  });

  it('ledger: accepts a failure with a reason as an end', () => {
    expect(
      brokenBy((ledger) => {
        ledger.requests.push(requestBy(ann, 'a3'));
        ledger.callbacks.push({ ...callbackOf(ann, 'a3'), type: 'voucher.failed', code: '' });
        ledger.failed.push({ requestId: 'a3', reason: 'PROVIDER_REFUSED' });
      }),
    ).toEqual({});
  });

  it.each<[string, (ledger: Draft) => void, Record<string, number>]>([
    [
      'a voucher that is lost',
      ({ stored, streamed, callbacks }) => {
        for (const list of [stored, streamed, callbacks]) list.shift();
      },
      { 'A: accepted requests without an outcome (lost)': 1, 'C: requests without a callback': 1 },
    ],
    [
      'a failure without a reason',
      ({ stored, streamed, callbacks, failed }) => {
        for (const list of [stored, streamed, callbacks]) list.shift();
        callbacks.push({ ...callbackOf(ann, 'a1'), type: 'voucher.failed', code: '' });
        failed.push({ requestId: 'a1', reason: null });
      },
      { 'A: accepted requests without an outcome (lost)': 1 },
    ],
    [
      'a code and a failure for one request',
      ({ failed }) => failed.push({ requestId: 'a1', reason: 'PROVIDER_SILENT' }),
      { 'A: accepted requests with two outcomes': 1 },
    ],
    [
      'two codes of one order',
      ({ callbacks }) => change(callbacks, { code: 'another' }),
      { 'A: accepted requests with two outcomes': 1, 'A: codes that differ from the bought one': 1 },
    ],
    [
      'an order too many',
      ({ sold }) => sold.push({ requestId: 'a1', code: 'code-a1' }),
      { 'A: requests for which two codes were bought': 1 },
    ],
    [
      'a voucher that is stored twice',
      ({ stored, streamed }) => {
        stored.push({ ...voucherOf(bob, 'b1'), id: 'second' });
        streamed.push({ ...voucherOf(bob, 'b1'), id: 'second' });
      },
      { 'B: more than one voucher for a request (doubled)': 1 },
    ],
    [
      'a callback that was never accepted',
      ({ callbacks }) => change(callbacks, { isTaken: false }),
      { 'C: requests without a callback': 1 },
    ],
    [
      'a second callback with another id',
      ({ callbacks }) => callbacks.push({ ...callbackOf(ann, 'a1'), webhookId: 'another' }),
      { 'C: attempts with different ids or bodies': 1 },
    ],
    [
      'a second callback with another body',
      ({ callbacks }) => callbacks.push({ ...callbackOf(ann, 'a1'), body: 'another' }),
      { 'C: attempts with different ids or bodies': 1 },
    ],
    ['a wrong signature', ({ callbacks }) => change(callbacks, { isGenuine: false }), { 'C: wrong signatures': 1 }],
    [
      "a callback at another's receiver",
      ({ callbacks }) => callbacks.push({ ...callbackOf(bob, 'a1') }),
      { 'D: callbacks of another client': 1 },
    ],
    [
      "an event in another's subscription",
      ({ streamed }) => streamed.push(voucherOf(bob, 'a1')),
      { 'D: subscription events of another client': 1 },
    ],
    [
      "a voucher in another's list",
      ({ stored, streamed }) => {
        change(stored, { customer: bob });
        change(streamed, { customer: bob });
      },
      { 'D: stored vouchers of another client': 1, 'D: subscription events of another client': 1 },
    ],
    [
      'one code for two requests',
      ({ stored }) => change(stored, { code: 'code-a2' }),
      {
        'A: accepted requests with two outcomes': 1,
        'A: codes that differ from the bought one': 1,
        'D: codes of two requests': 1,
      },
    ],
    [
      'an order of a refused request',
      ({ sold }) => sold.push({ requestId: 'unknown', code: 'x' }),
      { 'E: side effects of requests that were not accepted': 1 },
    ],
    [
      'a voucher of a refused request',
      ({ stored, streamed }) => {
        stored.push(voucherOf(ann, 'unknown'));
        streamed.push(voucherOf(ann, 'unknown'));
      },
      { 'E: side effects of requests that were not accepted': 1 },
    ],
    [
      'a callback of a refused request',
      ({ callbacks }) => callbacks.push(callbackOf(ann, 'unknown')),
      { 'E: side effects of requests that were not accepted': 1 },
    ],
    [
      'idempotency keys with two requests',
      ({ requests, ...ledger }) => {
        change(requests, { ids: ['a1', 'a3'] });
        ledger.sold.push({ requestId: 'a3', code: 'code-a3' });
        ledger.callbacks.push(callbackOf(ann, 'a3'));
        ledger.stored.push(voucherOf(ann, 'a3'));
        ledger.streamed.push(voucherOf(ann, 'a3'));
      },
      { 'E: idempotency keys with two requests': 1 },
    ],
    [
      'a refusal of a valid request',
      ({ requests }) => requests.push({ ...requestBy(ann, 'none'), ids: [], refusal: 'INTERNAL_SERVER_ERROR' }),
      { 'E: permanent refusals without a reason': 1 },
    ],
    [
      'a request that was never answered',
      ({ requests }) => requests.push({ ...requestBy(ann, 'none'), ids: [] }),
      { 'E: requests without a response': 1 },
    ],
    [
      'a forbidden request that was accepted',
      ({ requests }) => change(requests, { isForbidden: true }),
      { 'E: forbidden requests that were accepted': 1 },
    ],
    [
      'an event that was missed',
      ({ streamed }) => streamed.shift(),
      { 'F: events that a resuming subscriber missed': 1 },
    ],
    [
      "a customer's events that were all missed",
      ({ streamed }) => streamed.splice(0, 2),
      { 'F: events that a resuming subscriber missed': 2 },
    ],
    [
      'an event that came twice',
      ({ streamed }) => streamed.push(voucherOf(ann, 'a1')),
      { 'F: events that it got twice': 1 },
    ],
    [
      'events in another order',
      ({ streamed }) => streamed.splice(0, 2, voucherOf(ann, 'a2'), voucherOf(ann, 'a1')),
      { 'F: events that it got out of order': 1 },
    ],
  ])('ledger: finds %s', (_what, doctor, broken) => {
    expect(brokenBy(doctor)).toEqual(broken);
  });
});

import { describe, expect, it } from 'vitest';
import { type RequestDetails, refreshMs, timelineOf } from './timeline.ts';

const acceptedAt = '2026-01-31T12:00:00.000Z';
const pending: RequestDetails = {
  id: 'request-1',
  status: 'PENDING',
  message: 'Your request is being processed within 30 seconds',
  requestedAt: acceptedAt,
  expectedBy: '2026-01-31T12:00:30.000Z',
  failureReason: null,
  voucher: null,
  steps: [{ name: 'ACCEPTED', at: acceptedAt }],
  deliveries: [],
};
const fulfilled: RequestDetails = {
  ...pending,
  status: 'FULFILLED',
  voucher: { id: 'voucher-1', code: 'VC-1', status: 'SUCCESS', receivedAt: '2026-01-31T12:00:04.000Z' },
  steps: [
    { name: 'ACCEPTED', at: acceptedAt },
    { name: 'CODE_RECEIVED', at: '2026-01-31T12:00:04.000Z' },
    { name: 'STORED', at: '2026-01-31T12:00:04.020Z' },
  ],
};
const attempt = { at: '2026-01-31T12:00:04.010Z', status: 500, durationMs: 40, error: 'HTTP_STATUS', response: 'oops' };
const delivery = {
  id: 'delivery-1',
  channel: 'CALLBACK' as const,
  status: 'PENDING' as const,
  error: null,
  url: 'https://shop.example/vouchers',
  nextAttemptAt: '2026-01-31T12:00:09.000Z',
  attempts: [attempt],
};
const arrival = {
  voucher: {
    id: 'voucher-1',
    requestId: 'request-1',
    code: 'VC-1',
    status: 'SUCCESS' as const,
    requestedAt: acceptedAt,
    receivedAt: '2026-01-31T12:00:04.000Z',
  },
  at: Date.parse('2026-01-31T12:00:04.015Z'),
};
const acknowledgement = {
  requestId: 'request-1',
  askedAt: '2026-01-31T12:00:00.020Z',
  acknowledgedAt: '2026-01-31T12:00:03.025Z',
};
const now = Date.parse('2026-01-31T12:00:05.000Z');

describe('timeline', () => {
  it('timeline: of a pending request ends with what it waits for', () => {
    expect(timelineOf(pending, undefined, undefined).map(({ key, state }) => [key, state])).toEqual([
      ['ACCEPTED', 'done'],
      ['provider', 'pending'],
    ]);
  });

  it('timeline: counts the wait for the provider from the request', () => {
    for (const acknowledged of [undefined, acknowledgement])
      expect(timelineOf(pending, undefined, acknowledged).at(-1)).toMatchObject({
        since: Date.parse(pending.requestedAt),
      });
  });

  it('timeline: shows an acknowledgement that the server has not stored yet', () => {
    const entries = timelineOf(pending, undefined, acknowledgement);
    expect(entries.map(({ key, at, state }) => [key, new Date(at).toISOString(), state])).toEqual([
      ['ACCEPTED', acceptedAt, 'done'],
      ['PROVIDER_ASKED', acknowledgement.askedAt, 'done'],
      ['PROVIDER_ACKNOWLEDGED', acknowledgement.acknowledgedAt, 'done'],
      ['code', pending.expectedBy, 'pending'],
    ]);
  });

  it('timeline: has the steps of an acknowledgement once, also after the outcome', () => {
    const steps = [
      { name: 'PROVIDER_ASKED' as const, at: acknowledgement.askedAt },
      { name: 'PROVIDER_ACKNOWLEDGED' as const, at: acknowledgement.acknowledgedAt },
    ];
    const entries = timelineOf({ ...fulfilled, steps: [...fulfilled.steps, ...steps] }, arrival, acknowledgement);
    expect(entries.map(({ key }) => key)).toEqual([
      'ACCEPTED',
      'PROVIDER_ASKED',
      'PROVIDER_ACKNOWLEDGED',
      'CODE_RECEIVED',
      'arrival',
      'STORED',
    ]);
  });

  it('timeline: has the step of a code that arrived before it was read', () => {
    expect(timelineOf(pending, arrival, undefined).map(({ key, at }) => [key, new Date(at).toISOString()])).toEqual([
      ['ACCEPTED', acceptedAt],
      ['CODE_RECEIVED', arrival.voucher.receivedAt],
      ['arrival', '2026-01-31T12:00:04.015Z'],
    ]);
  });

  it('timeline: has steps, arrival and attempts by time, and then the retry', () => {
    const entries = timelineOf({ ...fulfilled, deliveries: [delivery] }, arrival, undefined);
    expect(entries.map(({ key, state }) => [key, state])).toEqual([
      ['ACCEPTED', 'done'],
      ['CODE_RECEIVED', 'done'],
      ['arrival', 'done'],
      ['STORED', 'done'],
      ['delivery-1:0', 'failed'],
      ['delivery-1:next', 'pending'],
    ]);
    expect(entries[4]).toMatchObject({
      title: 'Callback attempt 1 failed',
      detail: 'https://shop.example/vouchers · answered 500 Internal Server Error · in 40 ms',
      response: 'oops',
    });
  });

  it('timeline: says what to do if an endpoint is disabled', () => {
    const disabled = { ...delivery, status: 'FAILED' as const, error: 'ENDPOINT_DISABLED', attempts: [] };
    expect(timelineOf({ ...fulfilled, deliveries: [disabled] }, arrival, undefined).at(-1)).toMatchObject({
      title: 'Callback not sent',
      detail: expect.stringContaining('switched off'),
      state: 'failed',
    });
  });

  it('timeline: leaves the reason of a failed request to its box', () => {
    const failed: RequestDetails = {
      ...pending,
      status: 'FAILED',
      message: 'The voucher provider refused this request.',
      steps: [...pending.steps, { name: 'FAILED', at: '2026-01-31T12:00:02.000Z' }],
    };
    expect(timelineOf(failed, undefined, undefined).at(-1)).toMatchObject({
      state: 'failed',
      title: 'No voucher',
      detail: null,
    });
  });
});

describe('refresh', () => {
  it.each([
    ['a pending request, without a connection', pending, 5_000],
    ['a retry in 4 s', { ...fulfilled, deliveries: [delivery] }, 4_000],
    [
      'a retry in 55 s',
      { ...fulfilled, deliveries: [{ ...delivery, nextAttemptAt: '2026-01-31T12:01:00.000Z' }] },
      55_000,
    ],
    ['a code whose deliveries may not be planned yet', fulfilled, 1_000],
  ])('refresh: %s', (_what, request, expected) => {
    expect(refreshMs(request, now, false)).toBe(expected);
  });

  it('refresh: of a pending request that is followed live, once it is late', () => {
    expect(refreshMs(pending, now, true)).toBe(25_100);
    expect(refreshMs(pending, now + 25_000, true)).toBeNull();
  });

  it('refresh: ends once an event tells, or nothing more is to come', () => {
    expect(refreshMs(fulfilled, now + 60_000, true)).toBeNull();
    const inAnHour = { ...delivery, nextAttemptAt: '2026-01-31T13:00:00.000Z' };
    expect(refreshMs({ ...fulfilled, deliveries: [inAnHour] }, now, true)).toBeNull();
  });
});

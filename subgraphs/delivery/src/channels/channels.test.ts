import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { delivered } from '../attempt-result.ts';
import type { Channel, Delivery } from '../tables.ts';
import { createChannels } from './channels.ts';

const nowMs = Date.UTC(2026, 0, 31);

/** Creates channels whose senders count their calls. The database's time is `nowMs`. */
function setUp() {
  const calls = { callbacks: 0, sms: 0 };
  const { send } = createChannels({
    callbacks: {
      async send() {
        calls.callbacks += 1;
        return delivered(204);
      },
    } as never,
    secrets: { readSigning: async () => ['whsec_AAAA'] } as never,
    smsSender: {
      async send() {
        calls.sms += 1;
        return delivered(null);
      },
    },
    smsLimits: { count: async () => {}, takeBack: async () => {}, check: async () => {} },
    now: () => nowMs,
  });
  return {
    calls,
    send: (channel: Channel, leaseMs: number) =>
      send(deliveryOf(channel, new Date(nowMs + leaseMs)), new AbortController().signal),
  };
}

/** Returns a delivery whose attempt is in progress. */
function deliveryOf(channel: Channel, nextAttemptAt: Date): Delivery {
  return {
    id: randomUUID(),
    requestId: randomUUID(),
    voucherId: null,
    noticeOf: null,
    userId: randomUUID(),
    channel,
    url: channel === 'CALLBACK' ? 'http://127.0.0.1:9/' : null,
    phoneNumber: channel === 'SMS' ? '+84909123456' : null,
    body: '{}',
    status: 'PENDING',
    error: null,
    createdAt: new Date(nowMs),
    nextAttemptAt,
    endpointId: randomUUID(),
    jobId: null,
    turn: 1,
    running: true,
    failures: 0,
    round: 0,
    acceptedTurn: null,
  };
}

it('channels: send during the lease of an attempt', async () => {
  const { calls, send } = setUp();
  await send('CALLBACK', 1);
  await send('SMS', 1);
  expect(calls).toEqual({ callbacks: 1, sms: 1 });
});

// Regression: after a suspension, a process sent callbacks that another process had already sent.
it('channels: send nothing after the lease of an attempt', async () => {
  const { calls, send } = setUp();
  await expect(send('CALLBACK', 0)).rejects.toThrow(/lease/);
  await expect(send('SMS', -1)).rejects.toThrow(/lease/);
  expect(calls).toEqual({ callbacks: 0, sms: 0 });
});

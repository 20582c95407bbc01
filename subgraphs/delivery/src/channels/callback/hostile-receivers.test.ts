import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { hostileReceivers, listen } from '@voucher-gateway/platform/testing/hostile/hostile-receivers';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { delivered, failed, type SendResult } from '../../attempt-result.ts';
import { createCallbackSender } from './send.ts';

const timeoutMs = 15_000;
const httpError = (status: number, response: string | null = null) => failed('HTTP_ERROR', { status, response });

/** The expected result of an attempt, by receiver. */
const results: Readonly<Record<string, SendResult>> = {
  'hangs up at once': failed('CONNECTION_LOST'),
  'closes without a word': failed('CONNECTION_LOST'),
  'speaks no HTTP': failed('RESPONSE_INVALID'),
  'answers by TLS': failed('RESPONSE_INVALID'),
  'answers HTTP/0.9': failed('RESPONSE_INVALID'),
  'answers HTTP/2': failed('RESPONSE_INVALID'),
  'answers half a head': failed('CONNECTION_LOST'),
  'answers a request': failed('RESPONSE_INVALID'),
  'answers a status that does not exist': httpError(999),
  'answers a status that is not a number': failed('RESPONSE_INVALID'),
  'answers NUL in a header': failed('RESPONSE_INVALID'),
  'answers a header of 1 MB': failed('RESPONSE_INVALID'),
  'answers 10,000 headers': failed('RESPONSE_INVALID'),
  'answers headers without an end': failed('RESPONSE_INVALID'),
  'answers 103 without an end': failed('RESPONSE_INVALID'),
  'answers a body without an end': delivered(200, 'x'.repeat(1_024)),
  'answers a failure whose body has no end': httpError(500, 'x'.repeat(1_024)),
  'answers a chunk whose size is not a number': delivered(200),
  'answers two lengths that differ': failed('RESPONSE_INVALID'),
  'answers less than it said': delivered(200, 'x'),
  'answers more than it said': delivered(200, 'x'),
  'answers a bomb of gzip': httpError(500, '\u{fffd}'.repeat(1_024)),
  'answers a bomb of brotli': httpError(500, '\u{fffd}'.repeat(1_024)),
  // A body that was compressed twice is decompressed only one time. An unreadable excerpt does no harm, because only
  // people read excerpts.
  'answers gzip in gzip': httpError(500, expect.stringContaining('\u{fffd}')),
  'answers a body that is not the gzip it says': httpError(500),
  'answers a body of NUL and invalid UTF-8': httpError(500, 'a\u{fffd}b\u{fffd}c'),
  'asks for a password': httpError(401),
  'redirects to itself': httpError(302),
  'redirects to an address inside': httpError(307),
  // An invalid Retry-After is ignored: too many digits, a negative number, or an invalid date.
  'asks to be tried in a million years': httpError(503),
  'asks to be tried before now': httpError(503),
  'asks to be tried at an invalid date': httpError(503),
  'upgrades unasked': failed('CONNECTION_LOST'),
  'answers twice': delivered(200),
  'never answers': failed('TIMEOUT'),
  'answers a head of one byte per second': failed('TIMEOUT'),
  'answers a body of one byte per second': delivered(200),
  'answers a failure of one byte per second': httpError(500),
};

describe('a receiver that', () => {
  it('hostile receivers: there are at least 15, each with a result', () => {
    const names = hostileReceivers.map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(15);
    expect(Object.keys(results).sort()).toEqual(names.sort());
  });

  it.each(hostileReceivers.map((receiver) => [receiver.name, receiver] as const))('%s', async (name, hostile) => {
    const clock = createTestClock();
    await using receiver = await listen(hostile);
    await using good = await startReceiver({ answer: 204 });
    await using sender = createCallbackSender({
      log: silentLog,
      clock,
      now: () => clock.now(),
      timeoutMs,
      policy: { allowLoopback: true, privateRanges: [], ports: [[1, 65_535]], httpsOnly: false },
      resolver: { resolve: () => Promise.reject(new Error('no name')), [Symbol.dispose]() {} },
      keys: { signing: () => [] },
    });
    const send = (url: string) =>
      sender.send({ id: 'an-id', body: '{}', secrets: [], url }, new AbortController().signal);
    // The time-out covers the whole exchange. Only slow receivers reach it.
    const head = hostile.slow === 'body' ? whenHead() : null;
    const result = send(receiver.url);
    if (hostile.slow) {
      await (head ?? receiver.called);
      clock.advance(timeoutMs);
    }
    expect(await result).toEqual(results[name]);
    expect(await send(good.url)).toEqual(delivered(204));
  });
});

/** Resolves once the head of the next response has been read. */
function whenHead(): Promise<void> {
  return new Promise((resolve) => {
    const onHead = () => {
      unsubscribe('undici:request:headers', onHead);
      setImmediate(resolve);
    };
    subscribe('undici:request:headers', onHead);
  });
}

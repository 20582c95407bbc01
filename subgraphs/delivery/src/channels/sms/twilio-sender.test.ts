import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Clock, createTestClock, systemClock } from '@voucher-gateway/platform/async/clock';
import { countAlive } from '@voucher-gateway/platform/testing/count-alive';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { startTcpProxy } from '@voucher-gateway/platform/testing/tcp-proxy';
import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../../attempt-result.ts';
import { createMessage, startTwilioServer, type TwilioAnswer } from '../../testing/twilio-server.ts';
import { createTwilioSender, type TwilioSenderOptions } from './twilio-sender.ts';

const never = new AbortController().signal;
const smsTo = (phoneNumber = '+84909123456') => ({
  deliveryId: randomUUID(),
  turn: 1,
  phoneNumber,
  text: 'Your code is ready: CODE-1 & more',
  createdAt: new Date(0),
});

async function setUp({ clock = systemClock, ...options }: Partial<TwilioSenderOptions> & { clock?: Clock } = {}) {
  const resources = new AsyncDisposableStack();
  const twilio = resources.use(await startTwilioServer());
  const log = createMemoryLog();
  const sender = resources.use(
    createTwilioSender({
      clock,
      timeoutMs: 10_000,
      url: twilio.url,
      accountSid: twilio.accountSid,
      authToken: twilio.authToken,
      from: { From: '+15005550006' },
      log,
      random: () => 0,
      ...options,
    }),
  );
  return { twilio, log, sender, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

describe('twilio', () => {
  it('twilio: posts a form with basic auth, and counts 201 as delivered', async () => {
    await using ctx = await setUp();
    expect(await ctx.sender.send(smsTo(), never)).toEqual(delivered(null));
    expect(ctx.twilio.messages.map(({ form }) => form)).toEqual([
      { To: '+84909123456', From: '+15005550006', Body: 'Your code is ready: CODE-1 & more' },
    ]);
    expect(ctx.log.text).toContain(ctx.twilio.messages[0]?.sid);
  });

  it('twilio: no message waits for the TLS handshake of another', async () => {
    // Regression: undici started only one TLS handshake with Twilio. All other requests waited for that handshake.
    await using receiver = await startReceiver();
    await using silent = await startTcpProxy(receiver.url.replace('http:', 'https:'));
    silent.silence();
    await using ctx = await setUp({ url: silent.url, timeoutMs: 3_000 });
    const results = Array.from({ length: 3 }, () => ctx.sender.send(smsTo(), never));
    await Promise.race([silent.untilTaken(3), ...results]);
    expect(silent.taken).toBe(3);
  });

  it('twilio: names a messaging service instead of a sender', async () => {
    const MessagingServiceSid = `MG${'0'.repeat(32)}`;
    await using ctx = await setUp({ from: { MessagingServiceSid } });
    await ctx.sender.send(smsTo(), never);
    expect(ctx.twilio.messages[0]?.form).toMatchObject({ MessagingServiceSid });
    expect(ctx.twilio.messages[0]?.form.From).toBeUndefined();
  });

  it.each([
    ['an invalid number', '+15005550001', '21211'],
    ['an unsubscribed number', '+15005550004', '21610'],
    ['a number that is not mobile', '+15005550009', '21614'],
  ])('twilio: %s is final', async (_what, phoneNumber, response) => {
    await using ctx = await setUp();
    expect(await ctx.sender.send(smsTo(phoneNumber), never)).toEqual(failed('SMS_REFUSED', { final: true, response }));
  });

  it.each([
    [
      '429',
      { status: 429, code: 20_429, headers: { 'retry-after': '7' } },
      { response: '20429', retryAfterMs: 7_000, providerStatus: 429 },
    ],
    ['500', { status: 500, code: 20_500 }, { response: '20500', providerStatus: 500 }],
    ['503 without a code', { status: 503 }, { providerStatus: 503 }],
    ['400 with an unknown code', { status: 400, code: 29_999 }, { response: '29999', providerStatus: 400 }],
  ] as const)('twilio: %s is retried', async (_what, answer, fields) => {
    await using ctx = await setUp();
    ctx.twilio.answerWith(answer);
    expect(await ctx.sender.send(smsTo(), never)).toEqual(failed('SMS_FAILED', fields));
  });

  it.each([
    ['401', { status: 401, code: 20_003 }],
    ['403', { status: 403, code: 20_005 }],
    ['404', { status: 404, code: 20_404 }],
    ['a redirect', { status: 307, headers: { location: 'https://example.com/' } }],
    ['a wrong sender', { status: 400, code: 21_659 }],
    ['an account at its daily limit', { status: 429, code: 63_038 }],
  ] as const)('twilio: %s is no attempt, and an alarm', async (_what, answer) => {
    await using ctx = await setUp();
    ctx.twilio.answerWith(answer);
    expect(await ctx.sender.send(smsTo(), never)).toMatchObject({
      outcome: 'postponed',
      reason: 'SMS_ACCOUNT_REFUSED',
    });
    expect(ctx.log.text).toMatch(/"level":"error".*SMS_ACCOUNT_REFUSED/);
    await expect(ctx.sender.ping?.()).rejects.toMatchObject({ code: 'SMS_ACCOUNT_REFUSED' });
  });

  it('twilio: is not called for 30 s after it refused the account, then again', async () => {
    const clock = createTestClock(0);
    await using ctx = await setUp({ clock });
    const { authToken } = ctx.twilio;
    ctx.twilio.authToken = 'another';
    for (const _turn of [1, 2])
      expect(await ctx.sender.send(smsTo(), never)).toMatchObject({ outcome: 'postponed', delayMs: 60_000 });
    expect(ctx.twilio.refused).toBe(1);
    ctx.twilio.authToken = authToken;
    clock.advance(30_000);
    expect(await ctx.sender.send(smsTo(), never)).toEqual(delivered(null));
    await ctx.sender.ping?.();
  });

  it('twilio: an old SMS is tried less often while the account is refused', async () => {
    const clock = createTestClock(0);
    await using ctx = await setUp({ clock });
    ctx.twilio.authToken = 'another';
    const delays: unknown[] = [];
    for (const ageMs of [600_000, 600_000, 86_400_000]) {
      clock.advance(ageMs);
      delays.push(await ctx.sender.send(smsTo(), never));
    }
    expect(delays).toMatchObject([{ delayMs: 150_000 }, { delayMs: 300_000 }, { delayMs: 1_800_000 }]);
  });

  it('twilio: the log has no phone number, text or secret', async () => {
    await using ctx = await setUp();
    ctx.twilio.answerWith({ status: 400, code: 21_211 }, { status: 500 }, { status: 401, code: 20_003 });
    for (const _turn of [1, 2, 3]) await ctx.sender.send(smsTo(), never);
    for (const secret of ['909123456', 'CODE-1', ctx.twilio.authToken]) expect(ctx.log.text).not.toContain(secret);
  });

  it('twilio: an attempt leaves nothing in memory', async () => {
    // Regression: each attempt has a signal of its own, which is combined with `stop`. A listener on this signal was
    // not removed. So the signal stayed in memory until the service stopped.
    await using ctx = await setUp();
    const stop = new AbortController();
    const any = AbortSignal.any;
    const signals: WeakRef<object>[] = [];
    using resources = new DisposableStack();
    resources.defer(() => void Object.assign(AbortSignal, { any }));
    AbortSignal.any = (all) => {
      const signal = any.call(AbortSignal, all);
      signals.push(new WeakRef(signal));
      return signal;
    };
    const outcomes = new Set<string>();
    for (let count = 0; count < 10; count += 1) {
      if (count % 2 === 0) ctx.twilio.answerWith({ status: 500 });
      outcomes.add((await ctx.sender.send(smsTo(), stop.signal)).outcome);
    }
    expect([...outcomes]).toEqual(['failed', 'delivered']);
    expect(signals).toHaveLength(10);
    await expect.poll(() => countAlive(signals)).toBe(0);
  });
});

/** Misbehaviours of a server, each with the result of the attempt. */
const misbehaviours: readonly (readonly [name: string, answer: TwilioAnswer, result: object])[] = [
  ['a 201 that is no JSON', (response) => void response.writeHead(201).end('<html>'), delivered(null)],
  ['a 201 with other JSON', (response) => void response.writeHead(201).end('[{"sid": 7}]'), delivered(null)],
  [
    'an error whose code is no number',
    (response) => void response.writeHead(400).end('{"code": "21211"}'),
    failed('SMS_FAILED', { providerStatus: 400 }),
  ],
  [
    'an error that is no JSON',
    (response) => void response.writeHead(502).end('Bad Gateway'),
    failed('SMS_FAILED', { providerStatus: 502 }),
  ],
  [
    'half an answer',
    (response) => {
      response.writeHead(201, { 'content-length': '900' }).write('{"sid": "SM');
      setImmediate(() => response.destroy());
    },
    delivered(null),
  ],
  ['no answer, and a closed connection', (response) => void response.destroy(), failed('CONNECTION_LOST')],
  ['half a head', (response) => void response.socket?.end('HTTP/1.1 201 Cre'), failed('CONNECTION_LOST')],
  ['an answer that is not HTTP', (response) => void response.socket?.end('hello\r\n\r\n'), failed('RESPONSE_INVALID')],
  [
    'a head of 1 MB',
    (response) => void response.socket?.write(`HTTP/1.1 201 Created\r\nx: ${'x'.repeat(1_000_000)}\r\n\r\n`),
    failed('RESPONSE_INVALID'),
  ],
];

describe('twilio that misbehaves', () => {
  it.each(misbehaviours)('twilio: %s', async (_name, answer, result) => {
    await using ctx = await setUp();
    ctx.twilio.answerWith(answer);
    expect(await ctx.sender.send(smsTo(), never)).toEqual(result);
    // The next SMS succeeds.
    ctx.twilio.answerWith(createMessage);
    expect(await ctx.sender.send(smsTo(), never)).toEqual(delivered(null));
  });

  it('twilio: reads 64 kB of an answer of 20 MB', async () => {
    await using ctx = await setUp();
    const closed = Promise.withResolvers<void>();
    let written = 0;
    const pour = function* () {
      for (; written < 20_000_000; written += 10_000) yield Buffer.alloc(10_000, 'x');
    };
    ctx.twilio.answerWith((response) => {
      response.writeHead(201).once('close', closed.resolve);
      Readable.from(pour()).pipe(response);
    });
    expect(await ctx.sender.send(smsTo(), never)).toEqual(delivered(null));
    await closed.promise;
    // The server can write more than the 64 kB that are read, because it also fills the buffers of both sockets.
    expect(written).toBeLessThan(10_000_000);
  });

  it('twilio: a slow answer ends at the time-out', async () => {
    const clock = createTestClock();
    await using ctx = await setUp({ clock });
    ctx.twilio.answerWith(() => clock.advance(10_000));
    expect(await ctx.sender.send(smsTo(), never)).toEqual(failed('TIMEOUT'));
  });

  it('twilio: an answer of a byte at a time ends at the time-out', async () => {
    const clock = createTestClock();
    await using ctx = await setUp({ clock });
    ctx.twilio.answerWith((response) => {
      response.writeHead(500);
      const drip = setInterval(() => {
        response.write('x');
        clock.advance(1_000);
      }, 1);
      response.once('close', () => clearInterval(drip));
    });
    expect(await ctx.sender.send(smsTo(), never)).toEqual(failed('SMS_FAILED', { providerStatus: 500 }));
  });

  it('twilio: an attempt is stopped without a result', async () => {
    await using ctx = await setUp();
    const stop = new AbortController();
    ctx.twilio.answerWith(() => stop.abort());
    expect(await ctx.sender.send(smsTo(), stop.signal)).toEqual({ outcome: 'stopped' });
  });
});

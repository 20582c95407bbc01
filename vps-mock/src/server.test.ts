import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { startReceiver } from '@voucher-gateway/platform/testing/receiver';
import { describe, expect, it } from 'vitest';
import { s256 } from './derive.ts';
import { behaviourOf } from './profiles.ts';
import { createVpsMock, type VpsMockOptions } from './server.ts';

async function setUp(options: VpsMockOptions = {}) {
  const resources = new AsyncDisposableStack();
  const clock = createTestClock();
  const receiver = resources.use(await startReceiver());
  const start = async () => resources.use(await createVpsMock({ clock, profile: 'fast', ...options }));
  let mock = await start();
  const ask = async (key?: string, body: object = {}) => {
    const response = await fetch(`${mock.url}/api/request/voucher`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
      body: JSON.stringify({ phoneNumber: '0909123456', callbackUrl: receiver.url, ...body }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  return {
    clock,
    receiver,
    ask,
    get mock() {
      return mock;
    },
    /**
     * Sends a request, and returns the response. When the provider waits for a timer, the clock is advanced by `ms`.
     */
    async askAndWait(ms: number, key?: string, body?: object) {
      const answer = ask(key, body);
      await clock.whenPending(1);
      clock.advance(ms);
      return answer;
    },
    async restart() {
      await mock[Symbol.asyncDispose]();
      mock = await start();
    },
    control: (body: object) =>
      fetch(`${mock.url}/control/next`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

describe('vps mock', () => {
  it('responds with the code if it is ready within three seconds', async () => {
    await using ctx = await setUp();
    ctx.mock.next({ delayMs: 2_999 });
    expect(await ctx.askAndWait(2_999)).toEqual({
      status: 200,
      body: {
        status: 'SUCCESS',
        voucherCode: expect.stringMatching(/^VC-/),
        message: 'Thank you for using our services, your voucher code is ready.',
      },
    });
  });

  it('responds with a challenge after 3 s, and posts the code later', async () => {
    await using ctx = await setUp();
    await ctx.control({ delayMs: 10_000 });
    const { body } = await ctx.askAndWait(3_000);
    expect(body).toEqual({
      codeChallenge: expect.any(String),
      transformMethod: 'S256',
      message: 'Your request is being processed within 30 seconds',
    });
    ctx.clock.advance(7_000);
    const { json } = await ctx.receiver.next();
    expect(json).toMatchObject({
      status: 'SUCCESS',
      voucherCode: expect.any(String),
      message: 'Thank you for using our services, your voucher code is ready.',
    });
    expect(s256((json as { codeVerifier: string }).codeVerifier)).toBe(body.codeChallenge);
  });

  it('marks a code after thirty seconds as late', async () => {
    await using ctx = await setUp({ faults: [{ delayMs: 31_000 }] });
    await ctx.askAndWait(3_000);
    ctx.clock.advance(28_000);
    expect((await ctx.receiver.next()).json).toMatchObject({
      status: 'LATE_SUCCESS',
      message: 'Thank you for your patience, your voucher code is ready.',
    });
  });

  it('buys once per key, with the same challenge until the code is ready', async () => {
    await using ctx = await setUp({ faults: [{ delayMs: 10_000 }] });
    const first = await ctx.askAndWait(3_000, 'k1');
    expect(await ctx.ask('k1')).toEqual(first);
    ctx.clock.advance(7_000);
    const { json } = await ctx.receiver.next();
    const later = await ctx.askAndWait(0, 'k1');
    expect(later.body.voucherCode).toBe((json as { voucherCode: string }).voucherCode);
    const { orders } = (await (await fetch(`${ctx.mock.url}/control/ledger`)).json()) as { orders: object[] };
    expect(orders).toMatchObject([{ key: 'k1', voucherCode: later.body.voucherCode, delivered: true }]);
  });

  it('keeps challenges and pending codes over a restart', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vps-mock-'));
    await using _folder = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
    await using ctx = await setUp({ stateFile: join(folder, 'state.jsonl') });
    ctx.mock.next({ delayMs: 10_000 });
    const first = await ctx.askAndWait(3_000, 'k1');
    await ctx.restart();
    expect(await ctx.ask('k1')).toEqual(first);
    ctx.clock.advance(7_000);
    expect((await ctx.receiver.next()).json).toMatchObject({ status: 'SUCCESS' });
  });

  it('treats each request without a key as a separate order', async () => {
    await using ctx = await setUp({ faults: [{ delayMs: 0, times: 2 }] });
    const [one, two] = [await ctx.askAndWait(0), await ctx.askAndWait(0)];
    expect(one.body.voucherCode).not.toBe(two.body.voucherCode);
  });

  it('retries while the client is unreachable or overloaded, not refused', async () => {
    await using ctx = await setUp({ faults: [{ delayMs: 4_000, times: 2 }] });
    ctx.receiver.answerWith(503, 200);
    await ctx.askAndWait(3_000, 'k1');
    ctx.clock.advance(1_000);
    await ctx.receiver.next();
    await ctx.clock.whenPending(1);
    ctx.clock.advance(1_000);
    await ctx.receiver.next();
    ctx.receiver.answerWith(403);
    await ctx.askAndWait(3_000, 'k2');
    ctx.clock.advance(1_000);
    await ctx.receiver.next();
    await expect.poll(() => ctx.clock.pending).toBe(0);
  });

  it.each([
    ['error', 500],
    ['refuse', 422],
  ] as const)('responds to the fault %s with %i, once, and buys nothing', async (fault, status) => {
    await using ctx = await setUp();
    await ctx.control({ fault });
    expect((await ctx.ask('k1')).status).toBe(status);
    ctx.mock.next({ delayMs: 0 });
    expect((await ctx.askAndWait(0, 'k1')).status).toBe(200);
  });

  it('drops the connection, or sends half a JSON, on instruction', async () => {
    await using ctx = await setUp({ faults: [{ fault: 'drop' }, { fault: 'malformed' }] });
    await expect(ctx.ask()).rejects.toThrow();
    await expect(ctx.ask()).rejects.toThrow(/JSON/);
  });

  it('posts early, twice, with a wrong verifier, or never, on instruction', async () => {
    await using ctx = await setUp();
    ctx.mock.next({ fault: 'callback-before-acknowledgement' });
    const early = ctx.ask('early');
    expect((await ctx.receiver.next()).json).toMatchObject({ status: 'SUCCESS' });
    ctx.clock.advance(3_000);
    expect((await early).body).toHaveProperty('codeChallenge');

    ctx.mock.next({ fault: 'duplicate-callback' });
    await ctx.askAndWait(3_000, 'twice');
    ctx.clock.advance(1_000);
    expect((await ctx.receiver.next()).json).toEqual((await ctx.receiver.next()).json);

    ctx.mock.next({ fault: 'wrong-verifier' });
    const { body } = await ctx.askAndWait(3_000, 'wrong');
    ctx.clock.advance(1_000);
    expect(s256(((await ctx.receiver.next()).json as { codeVerifier: string }).codeVerifier)).not.toBe(
      body.codeChallenge,
    );

    ctx.mock.next({ fault: 'silence' });
    expect((await ctx.askAndWait(3_000, 'silent')).body).toHaveProperty('codeChallenge');
    await expect.poll(() => ctx.clock.pending).toBe(0);

    ctx.mock.next({ fault: 'plain' });
    expect((await ctx.askAndWait(3_000, 'plain')).body).toMatchObject({ transformMethod: 'plain' });
  });

  it('applies an instruction to its phone number only, in any format', async () => {
    await using ctx = await setUp();
    ctx.mock.next({ phoneNumber: '+84909123456', fault: 'error' });
    expect((await ctx.askAndWait(500, 'k1', { phoneNumber: '0911111111' })).status).toBe(200);
    expect((await ctx.ask('k2', { phoneNumber: '0909123456' })).status).toBe(500);
  });

  it('refuses bad input with a clear message', async () => {
    await using ctx = await setUp();
    expect(await ctx.ask('k', { callbackUrl: 'nonsense' })).toMatchObject({
      status: 400,
      body: { code: 'BAD_USER_INPUT', title: expect.stringContaining('callbackUrl') },
    });
    expect((await ctx.control({ fault: 'nonsense' })).status).toBe(400);
    expect((await ctx.control({ delay: 3 })).status).toBe(400);
  });

  it('has mixed delays as its profile says', () => {
    const draws = Array.from({ length: 1_000 }, (_, index) => behaviourOf('mixed', [index / 1_000, 0.5]).delayMs);
    expect(draws.filter((ms) => ms < 3_000)).toHaveLength(600);
    expect(draws.filter((ms) => ms >= 3_000 && ms <= 25_000)).toHaveLength(350);
    expect(draws.filter((ms) => ms > 30_000)).toHaveLength(50);
  });
});

import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { describe, expect, it } from 'vitest';
import { createControl, maxWaiting, nextSchema } from './control.ts';
import { createOrders } from './orders.ts';
import { createVpsMock } from './server.ts';

const order = (key: string) => ({
  key,
  phoneNumber: '0909123456',
  callbackUrl: 'http://127.0.0.1:9/',
  requestedAt: 0,
  behaviour: { delayMs: 0 },
});

describe('orders', () => {
  it('evict the one that ended first, and never a pending one', () => {
    const orders = createOrders({ seed: 's', maxOrders: 3 });
    const [a, b, c] = ['a', 'b', 'c'].map((key) => orders.open(order(key)));
    expect(orders.open(order('d'))).toBeNull();
    for (const ended of [c, b]) if (ended) orders.save(Object.assign(ended, { delivered: true }));
    expect(orders.open(order('d'))).not.toBeNull();
    expect(orders.all().map(({ key }) => key)).toEqual(['a', 'b', 'd']);
    if (a) orders.save(Object.assign(a, { givenUp: true }));
    for (const key of ['e', 'f']) expect(orders.open(order(key))).not.toBeNull();
    expect(orders.all().map(({ key }) => key)).toEqual(['d', 'e', 'f']);
    expect(orders.open(order('g'))).toBeNull();
  });

  it('ignore the late save of an evicted one, which later has the same code', () => {
    const orders = createOrders({ seed: 's', maxOrders: 1 });
    const first = orders.open(order('a'));
    if (first) orders.save(Object.assign(first, { delivered: true }));
    const second = orders.open(order('b'));
    if (first) orders.save(first);
    expect(orders.all()).toEqual([second]);
    if (second) orders.save(Object.assign(second, { delivered: true }));
    expect(orders.open(order('a'))?.derived.voucherCode).toBe(first?.derived.voucherCode);
  });

  it('keep a state file of at most twice their number, which survives a restart', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'vps-mock-'));
    const stateFile = join(folder.path, 'state.json');
    const options = { seed: 's', maxOrders: 10, stateFile };
    const orders = createOrders(options);
    const pending = orders.open(order('pending'));
    for (let index = 0; index < 3_000; index += 1) {
      const opened = orders.open(order(`k${index}`));
      if (opened) orders.save(Object.assign(opened, { delivered: true }));
    }
    expect((await readFile(stateFile, 'utf8')).split('\n').length).toBeLessThan(1_100);
    const restarted = createOrders(options);
    const asData = (value: unknown) => JSON.parse(JSON.stringify(value));
    expect(asData(restarted.get('pending'))).toEqual(asData(pending));
    expect(asData(restarted.all())).toEqual(asData(orders.all()));
    expect((await readFile(stateFile, 'utf8')).trim().split('\n')).toHaveLength(10);
  });

  it('are read from a state file with a line that a full disk has truncated', async () => {
    // Regression: the next line was appended to the truncated one. Both together were invalid JSON, and the provider
    // did not start.
    await using folder = await mkdtempDisposable(join(tmpdir(), 'vps-mock-'));
    const stateFile = join(folder.path, 'state.json');
    const options = { seed: 's', maxOrders: 10, stateFile };
    const orders = createOrders(options);
    for (const key of ['a', 'b', 'c']) orders.open(order(key));
    const [first = '', second = '', third = ''] = (await readFile(stateFile, 'utf8')).split('\n');
    await writeFile(stateFile, `${first}\n${second.slice(0, 30)}${third}\n${third}\n`);
    expect(
      createOrders(options)
        .all()
        .map(({ key }) => key),
    ).toEqual(['a', 'c']);
  });
});

it('control: limits pending instructions', () => {
  const control = createControl();
  const next = nextSchema.parse({});
  for (let index = 0; index < maxWaiting; index += 1) expect(control.add(next)).toBe(true);
  expect(control.add(next)).toBe(false);
  control.take('0909123456');
  expect(control.add(next)).toBe(true);
});

it('vps mock: is unavailable while all its orders are pending', async () => {
  await using mock = await createVpsMock({ clock: createTestClock(), profile: 'fast', maxOrders: 1 });
  const ask = () =>
    fetch(`${mock.url}/api/request/voucher`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ phoneNumber: '0909123456', callbackUrl: 'http://127.0.0.1:9/' }),
    });
  mock.next({ delayMs: 10_000, times: 2 });
  // This request waits on a clock that does not advance.
  const first = ask().catch(() => null);
  await mock.whenAsked(1);
  const second = await ask();
  expect([second.status, ((await second.json()) as { code: string }).code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  await mock[Symbol.asyncDispose]();
  await first;
});

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCustomer } from '../customer.ts';
import type { System } from '../system.ts';
import { startEmbedded } from './system.ts';

const fileOf = (name: string) => fileURLToPath(new URL(`../../../examples/receivers/${name}`, import.meta.url));
const hasPython = (() => {
  try {
    return (
      execFileSync('python3', ['-c', 'import sys; print(sys.version_info >= (3, 9))'], { encoding: 'utf8' }).trim() ===
      'True'
    );
  } catch {
    return false;
  }
})();

/** Starts a receiver of examples/ on a free port. */
async function startExample(
  [command, file]: readonly [string, string],
  secret: string,
  environment: Record<string, string> = {},
) {
  const child = spawn(command, [fileOf(file)], {
    env: { ...process.env, CALLBACK_SECRET: secret, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [url] = (await once(createInterface(child.stderr), 'line')) as [string];
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const signed = (id: string, body: string, at = new Date()) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': `v1,bm90IG91cnM= ${new Webhook(secret).sign(id, at, body)}`,
  });
  return {
    url,
    signed,
    post: async (body: string, headers: Record<string, string>) =>
      (await fetch(url, { method: 'POST', body, headers })).status,
    /** Waits for the next event that the receiver handles. */
    next: async () => JSON.parse((await lines.next()).value as string),
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

const receivers = [
  { name: 'Node', run: [process.execPath, 'receiver.js'], isThere: true },
  // The test is skipped without Python, because the tests must run with only Node and npm.
  { name: 'Python', run: ['python3', 'receiver.py'], isThere: hasPython },
] as const;

// The tests share a system, because a start is slow. Each test has a customer of its own.
let system: System;
beforeAll(async () => {
  system = await startEmbedded();
});
afterAll(() => system[Symbol.asyncDispose]());

describe.each(receivers.filter(({ isThere }) => isThere))('example receiver in $name', ({ run }) => {
  it('gets a code of the gateway', async () => {
    await using customer = await startCustomer(system);
    const { me } = await customer.graphql('{ me { callbackSecret } }');
    await using receiver = await startExample(run, me.callbackSecret);
    await customer.instructProvider({ delayMs: 0 });
    const { id } = await customer.requestVoucher({ callbackUrl: receiver.url });
    expect(await receiver.next()).toMatchObject({
      type: 'voucher.received',
      data: { requestId: id, status: 'SUCCESS' },
    });
  });

  it('handles a duplicate once, and nothing that is forged, old or too large', async () => {
    await using receiver = await startExample(run, `whsec_${Buffer.alloc(32, 7).toString('base64')}`);
    const body = JSON.stringify({ type: 'voucher.received', data: { code: 'VC-é' } });
    const { post, signed } = receiver;
    const headers = signed('one', body);
    expect(await post(`${body} `, headers)).toBe(401);
    expect(await post(body, { ...headers, 'webhook-id': 'other' })).toBe(401);
    expect(await post(body, { ...headers, 'webhook-signature': 'v1,' })).toBe(401);
    expect(await post(body, {})).toBe(401);
    for (const minutes of [-6, 6])
      expect(await post(body, signed('one', body, new Date(Date.now() + minutes * 60_000)))).toBe(401);
    const large = ' '.repeat(30_000);
    expect(await post(large, signed('large', large))).toBe(400);
    expect([await post(body, headers), await post(body, headers)]).toEqual([204, 204]);
    expect(await post(body, signed('two', body))).toBe(204);
    expect([await receiver.next(), await receiver.next()]).toEqual([
      { id: 'one', ...JSON.parse(body) },
      { id: 'two', ...JSON.parse(body) },
    ]);
  });
});

describe('example receiver with public keys', () => {
  it('gets a code of the gateway, and nothing that is forged or old', async () => {
    await using customer = await startCustomer(system);
    await using receiver = await startExample([process.execPath, 'receiver.js'], '', {
      JWKS_URL: `${system.gatewayUrl}/.well-known/webhooks-jwks.json`,
    });
    await customer.instructProvider({ delayMs: 0 });
    const { id } = await customer.requestVoucher({ callbackUrl: receiver.url });
    expect(await receiver.next()).toMatchObject({ type: 'voucher.received', data: { requestId: id } });
    // Without this instruction the provider may take up to 40 s.
    await customer.instructProvider({ delayMs: 0 });
    await customer.requestVoucher({ callbackUrl: customer.receiver.url });
    const { body, headers } = await customer.receiver.next();
    const signed = Object.fromEntries(
      ['id', 'timestamp', 'signature'].map((name) => [`webhook-${name}`, String(headers[`webhook-${name}`])]),
    );
    expect(await receiver.post(`${body} `, signed)).toBe(401);
    expect(await receiver.post(body, { ...signed, 'webhook-timestamp': '1674087231' })).toBe(401);
    expect(await receiver.post(body, { ...signed, 'webhook-signature': 'v1a,bm90IG91cnM=' })).toBe(401);
    expect(await receiver.post(body, signed)).toBe(204);
  });
});

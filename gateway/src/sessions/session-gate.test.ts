import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { createRemoteKeys } from '@voucher-gateway/platform/identity/remote-keys';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { sessionKey } from '@voucher-gateway/schema/session';
import { type SessionEnded, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { describe, expect, it } from 'vitest';
import { createSessionGate, type SessionGate } from './session-gate.ts';

const idleMs = 600_000;

/** Creates a gate that takes user ids as tokens. */
async function setUp({ keyValue }: { keyValue?: Partial<KeyValue> } = {}) {
  await using resources = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const engines = resources.use(await openTestEngines({ clock, log }));
  const identities = new Map<string, Identity>();
  const gate = resources.use(
    await createSessionGate({
      verify: async (token) => identities.get(token) as Identity,
      keys: resources.use(createRemoteKeys({ url: 'http://127.0.0.1:9/jwks.json', log })),
      keyValue: { ...engines.keyValue, ...keyValue },
      topics: engines.topics,
      clock,
      log,
      idleMs,
    }),
  );
  const owned = resources.move();
  return {
    clock,
    log,
    gate,
    async signIn({ stored = {} }: { stored?: object | string } = {}) {
      const userId = randomUUID();
      const identity = { userId, sid: randomUUID(), kid: 'key', phoneNumber: '', claims: {} };
      identities.set(userId, { ...identity, expiresAtMs: clock.now() + 12 * 3_600_000 });
      const session = typeof stored === 'string' ? stored : { userId, kid: 'key', ...stored };
      await engines.keyValue.set(sessionKey(identity.sid), JSON.stringify(session), { ttlMs: idleMs });
      return identities.get(userId) as Identity;
    },
    endSession: (ended: SessionEnded) =>
      engines.database.transaction((tx) => engines.topics.publish(tx, schemaTopics.sessionEnded, ended)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Watches a session twice: the first watcher throws, the second resolves the promise. */
function watchAfterBroken(gate: SessionGate, identity: Identity): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  gate.onSessionEnd(identity, () => {
    throw new Error('a broken socket');
  });
  gate.onSessionEnd(identity, resolve);
  return promise;
}

describe('session gate', () => {
  it.each([
    ['of another user', { userId: randomUUID() }],
    ['of another signing key', { kid: 'other' }],
    ['that does not parse', 'nonsense'],
  ])('refuses a token of a session %s', async (_what, stored) => {
    await using ctx = await setUp();
    const identity = await ctx.signIn({ stored });
    await expect(ctx.gate.authenticate(identity.userId)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('a watcher that throws does not affect the others', async () => {
    await using ctx = await setUp();
    const identity = await ctx.signIn();
    const heard = watchAfterBroken(ctx.gate, identity);
    await ctx.endSession({ sid: identity.sid });
    await heard;
    expect(ctx.log.text).toContain('a broken socket');
  });

  it('an idle time-out notifies all watchers, even if one throws', async () => {
    await using ctx = await setUp();
    const identity = await ctx.signIn();
    const heard = watchAfterBroken(ctx.gate, identity);
    ctx.clock.advance(idleMs + 1);
    await heard;
  });

  it('watching a session of a revoked key ends at once', async () => {
    let peeked = () => {};
    await using ctx = await setUp({
      keyValue: {
        peek: async () => {
          peeked();
          return { value: '', expiresInMs: idleMs };
        },
      },
    });
    const [first, second] = [await ctx.signIn(), await ctx.signIn()];
    const heard = Promise.withResolvers<void>();
    ctx.gate.onSessionEnd(first, heard.resolve);
    await ctx.endSession({ kid: 'key' });
    await heard.promise;

    // The client authenticates before the key is revoked, and starts to watch its session after the revocation.
    const late = Promise.withResolvers<void>();
    const requested = new Promise<void>((resolve) => (peeked = resolve));
    ctx.gate.onSessionEnd(second, late.resolve);
    await requested;
    await late.promise;
  });
});

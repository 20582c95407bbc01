import { createSigningKey } from '@voucher-gateway/platform/identity/create-signing-key';
import { createTestSecrets } from '@voucher-gateway/platform/testing/secrets';
import { eq } from 'drizzle-orm';
import { decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { signingKey } from './tables.ts';
import { startTestUserService } from './testing/user-service.ts';

describe('signing keys at rest', () => {
  it('signing keys: are encrypted, and those that were not are encrypted later', async () => {
    await using ctx = await startTestUserService();
    const { query } = ctx.engines.database;
    const [row] = await query.select().from(signingKey);
    const sealed = String(row?.privateJwk);
    expect(sealed).toMatch(/^sealed:/);
    const use = { purpose: 'users.signing_key', id: row?.kid ?? '' };
    const jwk = JSON.parse(ctx.engines.secrets.open(sealed, use));
    // Stores the key unencrypted, as an earlier version did.
    await query.update(signingKey).set({ privateJwk: jwk }).where(eq(signingKey.kid, use.id));
    const { url } = await ctx.startAnother();
    const { token } = (await ctx.signUp({}, url)).data?.signUp as { token: string };
    expect(decodeProtectedHeader(token).kid).toBe(use.id);
    ctx.clock.jump(600_000);
    await expect
      .poll(async () => String((await query.select().from(signingKey))[0]?.privateJwk))
      .toMatch(new RegExp(`^${ctx.engines.secrets.prefix}`));
  });

  it('start: is refused with another key, and no new signing key is created', async () => {
    await using ctx = await startTestUserService();
    await ctx.service[Symbol.asyncDispose]();
    const before = await ctx.engines.database.query.select().from(signingKey);
    ctx.engines.secrets = createTestSecrets(9);
    await expect(ctx.startAnother()).rejects.toMatchObject({
      code: 'SECRETS_KEY_WRONG',
      message: expect.stringMatching(/^SECRETS_KEY does not have the key [\da-f]{8}/),
    });
    expect(await ctx.engines.database.query.select().from(signingKey)).toEqual(before);
    // SECRETS_KEY has the former key as its second entry.
    ctx.engines.secrets = createTestSecrets(9, 1);
    await ctx.startAnother();
  });

  // Regression: if a process could not decrypt one key, it did not read the other keys, and rejected their tokens.
  it('signing keys: are published and verify if only another process can decrypt them', async () => {
    await using ctx = await startTestUserService();
    const [first] = (await ctx.jwks()).keys;
    const row = await createSigningKey({
      table: signingKey,
      secrets: createTestSecrets(9),
      nowMs: ctx.engines.database.now(),
    });
    await ctx.engines.database.query.insert(signingKey).values(row);
    ctx.clock.jump(60_000);
    await expect.poll(async () => (await ctx.jwks()).keys.length).toBe(2);
    expect((await ctx.jwks()).keys.map(({ kid }) => kid).sort()).toEqual([row.kid, first?.kid].sort());
    expect(ctx.log.text).toMatch(/"level":"error".*SECRETS_KEY_WRONG/);
  });

  it('signing keys: one that was altered is replaced, and users sign in', async () => {
    await using ctx = await startTestUserService();
    const [first] = (await ctx.jwks()).keys;
    await ctx.engines.database.query.update(signingKey).set({ privateJwk: `${ctx.engines.secrets.prefix}AAAA` });
    const { url } = await ctx.startAnother();
    const { token } = (await ctx.signUp({}, url)).data?.signUp as { token: string };
    expect(decodeProtectedHeader(token).kid).not.toBe(first?.kid);
  });
});

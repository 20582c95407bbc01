import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import { type Answer, postEntities, postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { sessionKey } from '@voucher-gateway/schema/session';
import { type SessionEnded, topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { decodeJwt, decodeProtectedHeader, generateKeyPair, type JSONWebKeySet, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { userSettings } from './config.ts';
import { endUserSessions } from './end-sessions.ts';
import { revokeKey } from './revoke-key.ts';
import { createUserService } from './server.ts';
import { session } from './tables.ts';

async function setUp({ keyValue, environment = {} }: { keyValue?: Partial<KeyValue>; environment?: Environment } = {}) {
  const resources = new AsyncDisposableStack();
  const clock = createTestClock();
  const log = createMemoryLog();
  const engines = resources.use(await openTestEngines({ clock, log }));
  const config = readConfig(userSettings, { PORT: '0', ...environment });
  const start = () =>
    createUserService({
      ...engines,
      ...(keyValue && { keyValue: { ...engines.keyValue, ...keyValue } }),
      config,
      log,
      clock,
    });
  const service = resources.use(await start());
  const ended: SessionEnded[] = [];
  const notified = Promise.withResolvers<void>();
  resources.use(
    await engines.topics.tail({
      topic: schemaTopics.sessionEnded,
      from: 'now',
      onMessage: ({ value }) => {
        ended.push(value);
        notified.resolve();
      },
    }),
  );
  const post = (query: string, variables?: object, token?: string) =>
    postGraphql(`${service.url}/graphql`, query, variables, token);
  return {
    clock,
    log,
    engines,
    service,
    ended,
    notified: notified.promise,
    post,
    startAnother: async () => resources.use(await start()),
    signUp: (input: object = {}) =>
      post(
        'mutation ($input: SignUpInput!) { signUp(input: $input) { token expiresAt user { id username phoneNumber } } }',
        { input: { username: 'ann', phoneNumber: '0909123456', password: '1234567', ...input } },
      ),
    signIn: (input: object = {}, token?: string) =>
      post(
        'mutation ($input: SignInInput!) { signIn(input: $input) { token user { id } } }',
        { input: { username: 'ann', password: '1234567', ...input } },
        token,
      ),
    entities: (representations: object[], token?: string) =>
      postEntities(`${service.url}/graphql`, representations, '... on User { id username phoneNumber }', token),
    jwks: async () => (await (await fetch(`${service.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
const codeOf = ({ errors }: Answer) => errors?.[0]?.extensions?.code;

it('signUp: normalises the phone number, and returns a valid token', async () => {
  await using ctx = await setUp();
  const { data } = await ctx.signUp();
  const { token, user, expiresAt } = data?.signUp as { token: string; expiresAt: string; user: object };
  expect(user).toEqual({ id: expect.any(String), username: 'ann', phoneNumber: '+84909123456' });
  expect(Date.parse(expiresAt) - ctx.clock.now()).toBeCloseTo(12 * 3_600_000, -4);
  for (const authorization of [token, `Bearer ${token}`]) {
    expect((await ctx.post('{ me { username phoneNumber } }', {}, authorization)).data).toEqual({
      me: { username: 'ann', phoneNumber: '+84909123456' },
    });
  }
  expect((await ctx.post('{ me { username } }')).data).toEqual({ me: null });
});

it('token: has the documented claims, and is signed with a key of the JWKS', async () => {
  await using ctx = await setUp();
  const { token, user } = (await ctx.signUp()).data?.signUp as { token: string; user: { id: string } };
  const { keys } = await ctx.jwks();
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'EdDSA', kid: keys[0]?.kid });
  expect(decodeJwt(token)).toMatchObject({
    iss: 'voucher-gateway',
    aud: 'voucher-gateway',
    sub: user.id,
    phone_number: '+84909123456',
    sid: expect.any(String),
  });
  expect(keys[0]).not.toHaveProperty('d');
});

it.each([
  ['a short username', { username: 'an' }, 'BAD_USER_INPUT', 'input.username'],
  ['a username with a space', { username: 'ann lee' }, 'BAD_USER_INPUT', 'input.username'],
  ['a password of six', { password: '123456' }, 'BAD_USER_INPUT', 'input.password'],
  ['a password of 257', { password: 'x'.repeat(257) }, 'BAD_USER_INPUT', 'input.password'],
  ['a text that is not a phone number', { phoneNumber: 'hello' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
  ['a phone number too short', { phoneNumber: '0909' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
])('signUp: rejects %s', async (_what, input, code, argument) => {
  await using ctx = await setUp();
  const { data, errors } = await ctx.signUp(input);
  expect(data).toBeNull();
  expect(errors).toMatchObject([{ extensions: { code, argument } }]);
});

it('signUp: rejects a taken username or phone number, in any case or form', async () => {
  await using ctx = await setUp();
  await ctx.signUp();
  expect(codeOf(await ctx.signUp({ username: 'ANN', phoneNumber: '0909123457' }))).toBe('USERNAME_TAKEN');
  expect(codeOf(await ctx.signUp({ username: 'bob', phoneNumber: '+84 909 123 456' }))).toBe('PHONE_NUMBER_TAKEN');
});

it('signUp: accepts one of two concurrent sign-ups with the same username', async () => {
  await using ctx = await setUp();
  const answers = await Promise.all([ctx.signUp(), ctx.signUp({ phoneNumber: '0909123457' })]);
  expect(answers.map(codeOf).toSorted()).toEqual(['USERNAME_TAKEN', undefined]);
});

it('signIn: accepts any case; rejects unknown users like wrong passwords', async () => {
  await using ctx = await setUp();
  await ctx.signUp();
  expect((await ctx.signIn({ username: 'Ann' })).errors).toBeUndefined();
  const wrong = await ctx.signIn({ password: '7654321' });
  const unknown = await ctx.signIn({ username: 'nobody' });
  expect(wrong).toEqual(unknown);
  expect(codeOf(wrong)).toBe('INVALID_CREDENTIALS');
});

it.each([
  ['an invalid username', { username: 'x'.repeat(100_000) }],
  ['an invalid password', { password: 'x'.repeat(257) }],
])('signIn: rejects %s without a comparison', async (_what, input) => {
  await using ctx = await setUp({ environment: { LIMIT_SIGN_INS_PER_USERNAME: '1/1m' } });
  await ctx.signUp();
  for (let attempt = 0; attempt < 3; attempt += 1) expect(codeOf(await ctx.signIn(input))).toBe('INVALID_CREDENTIALS');
  expect((await ctx.signIn()).errors).toBeUndefined();
});

it('signIn: is rejected while attempts can not be counted', async () => {
  const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
  const keyValue: Partial<KeyValue> = {};
  await using ctx = await setUp({ keyValue });
  await ctx.signUp();
  keyValue.increment = away;
  await using cut = await ctx.startAnother();
  const signIn = (password: string) =>
    postGraphql(`${cut.url}/graphql`, 'mutation ($input: SignInInput!) { signIn(input: $input) { token } }', {
      input: { username: 'ann', password },
    });
  for (const password of ['1234567', '7654321'])
    expect((await signIn(password)).errors).toMatchObject([
      { extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } },
    ]);
});

it('signIn: is cancelled when its client has disconnected', async () => {
  const count = 20;
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  let waiting = 0;
  let takenBack = 0;
  const keyValue: Partial<KeyValue> = {};
  await using ctx = await setUp({ keyValue, environment: { LIMIT_SIGN_INS_PER_USERNAME: '1000/10m' } });
  await ctx.signUp();
  // Each sign-in waits here, before its password is compared.
  keyValue.get = async (key) => {
    waiting += 1;
    if (waiting === count) arrived.resolve();
    await gate.promise;
    return ctx.engines.keyValue.get(key);
  };
  keyValue.increment = (key, by, options) => {
    if (by < 0) takenBack += 1;
    return ctx.engines.keyValue.increment(key, by, options);
  };
  await using gated = await ctx.startAnother();
  const left = new AbortController();
  const requests = Array.from({ length: count }, () =>
    fetch(`${gated.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { signIn(input: { username: "ann", password: "7654321" }) { token } }' }),
      signal: left.signal,
    }),
  );
  await arrived.promise;
  left.abort();
  await Promise.allSettled(requests);
  // A response to a later request shows that the server has handled the closed connections.
  await postGraphql(`${gated.url}/graphql`, '{ me { id } }');
  gate.resolve();
  // Cancelled attempts are uncounted; only wrong passwords stay counted.
  await expect.poll(() => takenBack).toBe(count);
});

it('signIn: ignores an invalid token, which other fields reject', async () => {
  await using ctx = await setUp();
  await ctx.signUp();
  const { privateKey } = await generateKeyPair('Ed25519');
  const forged = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
  expect((await ctx.signIn({}, forged)).errors).toBeUndefined();
  expect(codeOf(await ctx.post('{ me { id } }', {}, forged))).toBe('UNAUTHENTICATED');
});

it('session: expires after ten idle minutes, and ends everywhere at sign-out', async () => {
  await using ctx = await setUp();
  const { token } = (await ctx.signUp()).data?.signUp as { token: string };
  const { sid } = decodeJwt(token) as { sid: string };
  expect(await ctx.engines.keyValue.peek(sessionKey(sid))).toMatchObject({ expiresInMs: 600_000 });
  expect((await ctx.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: true });
  expect(await ctx.engines.keyValue.peek(sessionKey(sid))).toBeNull();
  await ctx.notified;
  expect(ctx.ended).toEqual([{ sid }]);
  expect((await ctx.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: false });
  expect((await ctx.post('mutation { signOut }')).data).toEqual({ signOut: false });
});

it('signUp: creates the user even if the session store is unavailable', async () => {
  let away = true;
  await using ctx = await setUp({
    keyValue: { set: () => (away ? Promise.reject(new Error('away')) : Promise.resolve()) },
  });
  const refused = await ctx.signUp();
  expect(refused.errors).toMatchObject([{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }]);
  away = false;
  expect((await ctx.signIn()).errors).toBeUndefined();
});

it('entities: resolve users by reference; only the owner sees the phone number', async () => {
  await using ctx = await setUp();
  const ann = (await ctx.signUp()).data?.signUp as { token: string; user: { id: string } };
  const bob = (await ctx.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as {
    user: { id: string };
  };
  const references = [ann.user.id, bob.user.id, '00000000-0000-4000-8000-000000000000', 'nonsense'].map((id) => ({
    __typename: 'User',
    id,
  }));
  const { data, errors } = await ctx.entities(references, ann.token);
  expect(data?._entities).toEqual([
    { id: ann.user.id, username: 'ann', phoneNumber: '+84909123456' },
    null,
    null,
    null,
  ]);
  expect(errors).toMatchObject([{ path: ['_entities', 1, 'phoneNumber'], extensions: { code: 'FORBIDDEN' } }]);
});

it('rotation: publishes a key before it signs, and until its tokens expire', async () => {
  await using ctx = await setUp();
  const [first] = (await ctx.jwks()).keys;
  const { token } = (await ctx.signUp()).data?.signUp as { token: string };
  const day = 86_400_000;
  const keysWhen = async (count: number) => {
    await expect.poll(async () => (await ctx.jwks()).keys.length).toBe(count);
  };
  ctx.clock.jump(30 * day - 3_600_000);
  await keysWhen(2);
  const kidOf = async () => decodeProtectedHeader(((await ctx.signIn()).data?.signIn as { token: string }).token).kid;
  expect(await kidOf()).toBe(first?.kid);
  ctx.clock.jump(3_660_000);
  await expect.poll(kidOf).not.toBe(first?.kid);
  expect((await ctx.jwks()).keys.map((key) => key.kid)).toContain(first?.kid);
  expect(decodeProtectedHeader(token).kid).toBe(first?.kid);
  ctx.clock.jump(day);
  await keysWhen(1);
});

it("signing keys: each process verifies the other's tokens", async () => {
  await using ctx = await setUp();
  const other = await ctx.startAnother();
  const { token } = (await ctx.signUp()).data?.signUp as { token: string };
  expect((await postGraphql(`${other.url}/graphql`, '{ me { username } }', {}, token)).data).toEqual({
    me: { username: 'ann' },
  });
});

describe('revoked key', () => {
  it('revoked key: is replaced, and its tokens are rejected, in every process', async () => {
    await using ctx = await setUp();
    const other = await ctx.startAnother();
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    const kid = decodeProtectedHeader(token).kid ?? '';
    expect(await revokeKey(ctx.engines, kid)).toBe(true);
    await ctx.notified;
    expect(ctx.ended).toEqual([{ kid }]);
    for (const { url } of [ctx.service, other]) {
      const post = (query: string, authorization?: string) => postGraphql(`${url}/graphql`, query, {}, authorization);
      await expect.poll(async () => codeOf(await post('{ me { id } }', token))).toBe('UNAUTHENTICATED');
      const signIn = 'mutation { signIn(input: { username: "ann", password: "1234567" }) { token } }';
      const signedIn = (await post(signIn)).data?.signIn as { token: string };
      expect(decodeProtectedHeader(signedIn.token).kid).not.toBe(kid);
      expect((await post('{ me { username } }', signedIn.token)).data).toEqual({ me: { username: 'ann' } });
    }
    expect(await revokeKey(ctx.engines, kid)).toBe(false);
  });

  it('revoked key: does not change when the next key starts to sign', async () => {
    await using ctx = await setUp();
    const [first] = (await ctx.jwks()).keys;
    ctx.clock.jump(30 * 86_400_000 - 3_600_000);
    await expect.poll(async () => (await ctx.jwks()).keys.length).toBe(2);
    const next = (await ctx.jwks()).keys.find(({ kid }) => kid !== first?.kid);
    await revokeKey(ctx.engines, first?.kid ?? '');
    // The revoked key is removed first, then the others are read.
    await expect
      .poll(async () => {
        const kids = (await ctx.jwks()).keys.map(({ kid }) => kid);
        return { revoked: kids.includes(first?.kid), next: kids.includes(next?.kid), count: kids.length };
      })
      .toEqual({ revoked: false, next: true, count: 2 });
    const { token } = (await ctx.signUp()).data?.signUp as { token: string };
    expect([first?.kid, next?.kid]).not.toContain(decodeProtectedHeader(token).kid);
  });
});

describe('endUserSessions', () => {
  it("endUserSessions: ends every session of the user, and no other user's", async () => {
    await using ctx = await setUp();
    const { user } = (await ctx.signUp()).data?.signUp as { user: { id: string } };
    const bob = (await ctx.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as { token: string };
    await ctx.signIn();
    expect(await endUserSessions(ctx.engines, user.id)).toBe(2);
    await expect.poll(() => ctx.ended.length).toBe(2);
    const { sid } = decodeJwt(bob.token) as { sid: string };
    expect(ctx.ended).not.toContainEqual({ sid });
    expect(await ctx.engines.keyValue.get(sessionKey(sid))).not.toBeNull();
    expect(await endUserSessions(ctx.engines, user.id)).toBe(0);
  });

  it('endUserSessions: ends more sessions than fit into one transaction', async () => {
    await using ctx = await setUp();
    const userId = randomUUID();
    const sids = Array.from({ length: 450 }, () => randomUUID());
    const expiresAt = new Date(ctx.clock.now() + 3_600_000);
    await ctx.engines.database.query.insert(session).values(sids.map((sid) => ({ sid, userId, expiresAt })));
    for (const sid of sids.slice(0, 3)) await ctx.engines.keyValue.set(sessionKey(sid), '{}', { ttlMs: 60_000 });
    expect(await endUserSessions(ctx.engines, userId)).toBe(3);
    await expect.poll(() => ctx.ended.length).toBe(450);
  });

  it('endUserSessions: can be retried after an outage of the store', async () => {
    await using ctx = await setUp();
    const { user } = (await ctx.signUp()).data?.signUp as { user: { id: string } };
    const keyValue = { ...ctx.engines.keyValue, delete: () => Promise.reject(new Error('away')) };
    await expect(endUserSessions({ ...ctx.engines, keyValue }, user.id)).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
      retryable: true,
    });
    expect(await endUserSessions(ctx.engines, user.id)).toBe(1);
  });

  it('retention: deletes a session whose token has expired', async () => {
    await using ctx = await setUp();
    await ctx.signUp();
    const rows = () => ctx.engines.database.query.select().from(session);
    expect(await rows()).toHaveLength(1);
    ctx.clock.jump(12 * 3_600_000 + 60_000);
    await expect.poll(rows).toEqual([]);
  });
});

it('log: contains no password, phone number or token', async () => {
  await using ctx = await setUp();
  const { token } = (await ctx.signUp({ password: 'a secret indeed' })).data?.signUp as { token: string };
  await ctx.signUp({ password: 'a secret indeed' });
  await ctx.signIn({ password: 'wrong secret' });
  for (const secret of ['secret', '909123456', token]) expect(ctx.log.text).not.toContain(secret);
});

it('config: rejects contradictory settings, naming both', () => {
  expect(() => readConfig(userSettings, { SESSION_IDLE: '2h', SESSION_MAX: '1h' })).toThrow(
    /SESSION_IDLE.*SESSION_MAX/,
  );
});

import { randomUUID } from 'node:crypto';
import { createTestClock } from '@voucher-gateway/platform/clock';
import { type Environment, readConfig } from '@voucher-gateway/platform/config';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
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
  const heard = Promise.withResolvers<void>();
  resources.use(
    await engines.topics.tail({
      topic: schemaTopics.sessionEnded,
      from: 'now',
      onMessage: ({ value }) => {
        ended.push(value);
        heard.resolve();
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
    heard: heard.promise,
    post,
    another: async () => resources.use(await start()),
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

it('signs a user up, with the phone number as E.164, and answers a token that me understands', async () => {
  await using set = await setUp();
  const { data } = await set.signUp();
  const { token, user, expiresAt } = data?.signUp as { token: string; expiresAt: string; user: object };
  expect(user).toEqual({ id: expect.any(String), username: 'ann', phoneNumber: '+84909123456' });
  expect(Date.parse(expiresAt) - set.clock.now()).toBeCloseTo(12 * 3_600_000, -4);
  for (const authorization of [token, `Bearer ${token}`]) {
    expect((await set.post('{ me { username phoneNumber } }', {}, authorization)).data).toEqual({
      me: { username: 'ann', phoneNumber: '+84909123456' },
    });
  }
  expect((await set.post('{ me { username } }')).data).toEqual({ me: null });
});

it('gives the token the claims that others rely on, signed with a key of the JWKS', async () => {
  await using set = await setUp();
  const { token, user } = (await set.signUp()).data?.signUp as { token: string; user: { id: string } };
  const { keys } = await set.jwks();
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
  ['a phone number that is none', { phoneNumber: 'hello' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
  ['a phone number too short', { phoneNumber: '0909' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
])('refuses %s', async (_what, input, code, argument) => {
  await using set = await setUp();
  const { data, errors } = await set.signUp(input);
  expect(data).toBeNull();
  expect(errors).toMatchObject([{ extensions: { code, argument } }]);
});

it('takes a username and a phone number once, whatever the case and the form', async () => {
  await using set = await setUp();
  await set.signUp();
  expect(codeOf(await set.signUp({ username: 'ANN', phoneNumber: '0909123457' }))).toBe('USERNAME_TAKEN');
  expect(codeOf(await set.signUp({ username: 'bob', phoneNumber: '+84 909 123 456' }))).toBe('PHONE_NUMBER_TAKEN');
});

it('lets one of two sign-ups at once have the username', async () => {
  await using set = await setUp();
  const answers = await Promise.all([set.signUp(), set.signUp({ phoneNumber: '0909123457' })]);
  expect(answers.map(codeOf).toSorted()).toEqual(['USERNAME_TAKEN', undefined]);
});

it('signs in with the username in any case; a wrong password and an unknown user look the same', async () => {
  await using set = await setUp();
  await set.signUp();
  expect((await set.signIn({ username: 'Ann' })).errors).toBeUndefined();
  const wrong = await set.signIn({ password: '7654321' });
  const unknown = await set.signIn({ username: 'nobody' });
  expect(wrong).toEqual(unknown);
  expect(codeOf(wrong)).toBe('INVALID_CREDENTIALS');
});

it.each([
  ['a username that nobody can have', { username: 'x'.repeat(100_000) }],
  ['a password that nobody can have', { password: 'x'.repeat(257) }],
])('sign-in: refuses %s without the work of comparing', async (_what, input) => {
  await using set = await setUp({ environment: { LIMIT_SIGN_INS_PER_USERNAME: '1/1m' } });
  await set.signUp();
  for (let attempt = 0; attempt < 3; attempt += 1) expect(codeOf(await set.signIn(input))).toBe('INVALID_CREDENTIALS');
  expect((await set.signIn()).errors).toBeUndefined();
});

it('sign-in: nobody may guess while the store that counts is away', async () => {
  const away = () => Promise.reject(new CodedError('KEY_VALUE_UNAVAILABLE', 'away', { retryable: true }));
  const keyValue: Partial<KeyValue> = {};
  await using set = await setUp({ keyValue });
  await set.signUp();
  keyValue.increment = away;
  await using cut = await set.another();
  const signIn = (password: string) =>
    postGraphql(`${cut.url}/graphql`, 'mutation ($input: SignInInput!) { signIn(input: $input) { token } }', {
      input: { username: 'ann', password },
    });
  for (const password of ['1234567', '7654321'])
    expect((await signIn(password)).errors).toMatchObject([
      { extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } },
    ]);
});

it('sign-in: work is dropped when its client has left', async () => {
  const count = 20;
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  let waiting = 0;
  let takenBack = 0;
  const keyValue: Partial<KeyValue> = {};
  await using set = await setUp({ keyValue, environment: { LIMIT_SIGN_INS_PER_USERNAME: '1000/10m' } });
  await set.signUp();
  // Each sign-in waits here, before its password is compared.
  keyValue.get = async (key) => {
    waiting += 1;
    if (waiting === count) arrived.resolve();
    await gate.promise;
    return set.engines.keyValue.get(key);
  };
  keyValue.increment = (key, by, options) => {
    if (by < 0) takenBack += 1;
    return set.engines.keyValue.increment(key, by, options);
  };
  await using gated = await set.another();
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
  // Its answer comes after the server has seen the connections close.
  await postGraphql(`${gated.url}/graphql`, '{ me { id } }');
  gate.resolve();
  // What is compared and found wrong stays counted; what is dropped is taken back.
  await expect.poll(() => takenBack).toBe(count);
});

it('signs in whatever old token is sent along, and refuses that token where it is asked for', async () => {
  await using set = await setUp();
  await set.signUp();
  const { privateKey } = await generateKeyPair('Ed25519');
  const forged = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
  expect((await set.signIn({}, forged)).errors).toBeUndefined();
  expect(codeOf(await set.post('{ me { id } }', {}, forged))).toBe('UNAUTHENTICATED');
});

it('begins a session of ten idle minutes, and ends it at sign-out everywhere', async () => {
  await using set = await setUp();
  const { token } = (await set.signUp()).data?.signUp as { token: string };
  const { sid } = decodeJwt(token) as { sid: string };
  expect(await set.engines.keyValue.peek(sessionKey(sid))).toMatchObject({ expiresInMs: 600_000 });
  expect((await set.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: true });
  expect(await set.engines.keyValue.peek(sessionKey(sid))).toBeNull();
  await set.heard;
  expect(set.ended).toEqual([{ sid }]);
  expect((await set.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: false });
  expect((await set.post('mutation { signOut }')).data).toEqual({ signOut: false });
});

it('keeps the user where the session store is away at sign-up: signing in later works', async () => {
  let away = true;
  await using set = await setUp({
    keyValue: { set: () => (away ? Promise.reject(new Error('away')) : Promise.resolve()) },
  });
  const refused = await set.signUp();
  expect(refused.errors).toMatchObject([{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }]);
  away = false;
  expect((await set.signIn()).errors).toBeUndefined();
});

it('resolves users by reference, unknown ones as null, and shows a phone number to its owner alone', async () => {
  await using set = await setUp();
  const ann = (await set.signUp()).data?.signUp as { token: string; user: { id: string } };
  const bob = (await set.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as {
    user: { id: string };
  };
  const references = [ann.user.id, bob.user.id, '00000000-0000-4000-8000-000000000000', 'nonsense'].map((id) => ({
    __typename: 'User',
    id,
  }));
  const { data, errors } = await set.entities(references, ann.token);
  expect(data?._entities).toEqual([
    { id: ann.user.id, username: 'ann', phoneNumber: '+84909123456' },
    null,
    null,
    null,
  ]);
  expect(errors).toMatchObject([{ path: ['_entities', 1, 'phoneNumber'], extensions: { code: 'FORBIDDEN' } }]);
});

it('publishes the next key an hour before it signs, and the last one until its tokens are dead', async () => {
  await using set = await setUp();
  const [first] = (await set.jwks()).keys;
  const { token } = (await set.signUp()).data?.signUp as { token: string };
  const day = 86_400_000;
  const keysWhen = async (count: number) => {
    await expect.poll(async () => (await set.jwks()).keys.length).toBe(count);
  };
  set.clock.jump(30 * day - 3_600_000);
  await keysWhen(2);
  const kidOf = async () => decodeProtectedHeader(((await set.signIn()).data?.signIn as { token: string }).token).kid;
  expect(await kidOf()).toBe(first?.kid);
  set.clock.jump(3_660_000);
  await expect.poll(kidOf).not.toBe(first?.kid);
  expect((await set.jwks()).keys.map((key) => key.kid)).toContain(first?.kid);
  expect(decodeProtectedHeader(token).kid).toBe(first?.kid);
  set.clock.jump(day);
  await keysWhen(1);
});

it('shares its keys between processes: each verifies what the other signed', async () => {
  await using set = await setUp();
  const other = await set.another();
  const { token } = (await set.signUp()).data?.signUp as { token: string };
  expect((await postGraphql(`${other.url}/graphql`, '{ me { username } }', {}, token)).data).toEqual({
    me: { username: 'ann' },
  });
});

describe('a revoked key', () => {
  it('revoked key: its tokens are refused and another key signs, in every process', async () => {
    await using set = await setUp();
    const other = await set.another();
    const { token } = (await set.signUp()).data?.signUp as { token: string };
    const kid = decodeProtectedHeader(token).kid ?? '';
    expect(await revokeKey(set.engines, kid)).toBe(true);
    await set.heard;
    expect(set.ended).toEqual([{ kid }]);
    for (const { url } of [set.service, other]) {
      const post = (query: string, authorization?: string) => postGraphql(`${url}/graphql`, query, {}, authorization);
      await expect.poll(async () => codeOf(await post('{ me { id } }', token))).toBe('UNAUTHENTICATED');
      const signIn = 'mutation { signIn(input: { username: "ann", password: "1234567" }) { token } }';
      const signedIn = (await post(signIn)).data?.signIn as { token: string };
      expect(decodeProtectedHeader(signedIn.token).kid).not.toBe(kid);
      expect((await post('{ me { username } }', signedIn.token)).data).toEqual({ me: { username: 'ann' } });
    }
    expect(await revokeKey(set.engines, kid)).toBe(false);
  });

  it('revoked key: the key that is to sign next stays, and one signs until then', async () => {
    await using set = await setUp();
    const [first] = (await set.jwks()).keys;
    set.clock.jump(30 * 86_400_000 - 3_600_000);
    await expect.poll(async () => (await set.jwks()).keys.length).toBe(2);
    const next = (await set.jwks()).keys.find(({ kid }) => kid !== first?.kid);
    await revokeKey(set.engines, first?.kid ?? '');
    // It is dropped first, and then the others are read again.
    await expect
      .poll(async () => {
        const kids = (await set.jwks()).keys.map(({ kid }) => kid);
        return { revoked: kids.includes(first?.kid), next: kids.includes(next?.kid), count: kids.length };
      })
      .toEqual({ revoked: false, next: true, count: 2 });
    const { token } = (await set.signUp()).data?.signUp as { token: string };
    expect([first?.kid, next?.kid]).not.toContain(decodeProtectedHeader(token).kid);
  });
});

describe("ending a user's sessions", () => {
  it("ends every session of the user, and nobody else's", async () => {
    await using set = await setUp();
    const { user } = (await set.signUp()).data?.signUp as { user: { id: string } };
    const bob = (await set.signUp({ username: 'bob', phoneNumber: '0909123457' })).data?.signUp as { token: string };
    await set.signIn();
    expect(await endUserSessions(set.engines, user.id)).toBe(2);
    await expect.poll(() => set.ended.length).toBe(2);
    const { sid } = decodeJwt(bob.token) as { sid: string };
    expect(set.ended).not.toContainEqual({ sid });
    expect(await set.engines.keyValue.get(sessionKey(sid))).not.toBeNull();
    expect(await endUserSessions(set.engines, user.id)).toBe(0);
  });

  it('ends more sessions than go into one step', async () => {
    await using set = await setUp();
    const userId = randomUUID();
    const sids = Array.from({ length: 450 }, () => randomUUID());
    const expiresAt = new Date(set.clock.now() + 3_600_000);
    await set.engines.database.query.insert(session).values(sids.map((sid) => ({ sid, userId, expiresAt })));
    for (const sid of sids.slice(0, 3)) await set.engines.keyValue.set(sessionKey(sid), '{}', { ttlMs: 60_000 });
    expect(await endUserSessions(set.engines, userId)).toBe(3);
    await expect.poll(() => set.ended.length).toBe(450);
  });

  it('leaves them listed while the store is away, so that it can be repeated', async () => {
    await using set = await setUp();
    const { user } = (await set.signUp()).data?.signUp as { user: { id: string } };
    const keyValue = { ...set.engines.keyValue, delete: () => Promise.reject(new Error('away')) };
    await expect(endUserSessions({ ...set.engines, keyValue }, user.id)).rejects.toMatchObject({
      code: 'SESSION_STORE_UNAVAILABLE',
      retryable: true,
    });
    expect(await endUserSessions(set.engines, user.id)).toBe(1);
  });

  it('forgets a session whose token has expired', async () => {
    await using set = await setUp();
    await set.signUp();
    const rows = () => set.engines.database.query.select().from(session);
    expect(await rows()).toHaveLength(1);
    set.clock.jump(12 * 3_600_000 + 60_000);
    await expect.poll(rows).toEqual([]);
  });
});

it('writes no password, phone number or token to its log', async () => {
  await using set = await setUp();
  const { token } = (await set.signUp({ password: 'a secret indeed' })).data?.signUp as { token: string };
  await set.signUp({ password: 'a secret indeed' });
  await set.signIn({ password: 'wrong secret' });
  for (const secret of ['secret', '909123456', token]) expect(set.log.text).not.toContain(secret);
});

it('refuses settings that contradict each other, naming both', () => {
  expect(() => readConfig(userSettings, { SESSION_IDLE: '2h', SESSION_MAX: '1h' })).toThrow(
    /SESSION_IDLE.*SESSION_MAX/,
  );
});

import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { System } from '../system.ts';
import { startEmbedded } from './system.ts';

// The gateway trusts loopback as a proxy. So a test can send any client address in the header that a proxy sets.
const limits = {
  RATE_LIMITS: 'on',
  TRUSTED_PROXIES: 'loopback',
  LIMIT_SIGN_INS_PER_USERNAME: '5/10m',
  LIMIT_SIGN_INS_PER_ADDRESS: '8/10m',
  LIMIT_SIGN_UPS_PER_ADDRESS: '3/10m',
  LIMIT_VOUCHERS_PER_USER: '2/10m',
  LIMIT_REDELIVERIES_PER_USER: '1/10m',
};

interface Reply {
  status: number;
  retryAfter: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the gateway answers
  json: any;
}

function from(system: System, address: string) {
  const send = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> => {
    const response = await fetch(system.gatewayUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address, ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, retryAfter: response.headers.get('retry-after'), json: await response.json() };
  };
  return {
    send,
    graphql: (query: string, variables: object = {}, token?: string) =>
      send('/graphql', { query, variables }, token === undefined ? {} : { authorization: token }),
    signIn: (username: string, password = 'the right one') => send('/user/sign-in', { username, password }),
    async signUp(username = `u-${randomUUID().slice(0, 8)}`) {
      const phoneNumber = `090${randomInt(1_000_000, 9_999_999)}`;
      const reply = await send('/user/sign-up', { username, phoneNumber, password: 'the right one' });
      return { ...reply, username };
    },
  };
}
const codesOf = (replies: Reply[]) => replies.map(({ json }) => json.code ?? 'OK');

describe('behind a trusted proxy', () => {
  let system: System;
  beforeAll(async () => {
    system = await startEmbedded({ ...limits, VPS_PROFILE: 'slow' });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it('rate limits: guessing from many addresses does not lock out the owner', async () => {
    const home = from(system, '203.0.113.7');
    const { username } = await home.signUp();
    // Wrong passwords from all new addresses count together. The limit is reached after 5 of these 20 attempts.
    for (let address = 1; address <= 20; address += 1) {
      const { json } = await from(system, `198.51.100.${address}`).signIn(username, 'a wrong one');
      expect(json.code).toBe(address <= 5 ? 'INVALID_CREDENTIALS' : 'RATE_LIMITED');
    }
    // From a new address, even the correct password is now refused. From the address of the sign-up it works.
    expect((await from(system, '198.51.100.99').signIn(username)).json.code).toBe('RATE_LIMITED');
    expect((await home.signIn(username)).status).toBe(200);
    // The address from which the user signed up has its own limit of 5 failed attempts.
    const wrong = [];
    for (let attempt = 0; attempt < 6; attempt += 1) wrong.push(await home.signIn(username, 'a wrong one'));
    expect(codesOf(wrong)).toEqual([...Array(5).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED']);
  });

  it('rate limits: a correct sign-in does not count against the username', async () => {
    const { username } = await from(system, '203.0.113.200').signUp();
    for (let attempt = 0; attempt < 12; attempt += 1)
      expect((await from(system, `203.0.113.${attempt}`).signIn(username)).status).toBe(200);
  });

  it('rate limits: sign-ins and sign-ups count per address, IPv6 by /64', async () => {
    const signIns = [];
    for (let host = 1; host <= 9; host += 1)
      signIns.push(await from(system, `2001:db8:0:1::${host}`).signIn(`nobody-${host}`, 'a wrong one'));
    expect(codesOf(signIns)).toEqual([...Array(8).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED']);
    expect(signIns[8]).toMatchObject({ status: 429, json: { retryable: true, retryAfterSeconds: expect.any(Number) } });
    expect(Number(signIns[8]?.retryAfter)).toBe(signIns[8]?.json.retryAfterSeconds);
    expect((await from(system, '2001:db8:0:2::1').signIn('nobody', 'a wrong one')).json.code).toBe(
      'INVALID_CREDENTIALS',
    );

    const signUps = [];
    for (let attempt = 0; attempt < 4; attempt += 1) signUps.push(await from(system, '203.0.113.201').signUp());
    expect(codesOf(signUps)).toEqual(['OK', 'OK', 'OK', 'RATE_LIMITED']);
  });

  it('rate limits: voucher requests and redeliveries count per user, over GraphQL too', async () => {
    const client = from(system, '203.0.113.202');
    const { json } = await client.signUp();
    const request = () => client.graphql('mutation { requestVoucher(input: {}) { id } }', {}, json.token);
    expect((await request()).json.data.requestVoucher.id).toEqual(expect.any(String));
    expect((await request()).json.data.requestVoucher.id).toEqual(expect.any(String));
    const refused = await request();
    expect(refused.json.errors).toMatchObject([
      { extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: expect.any(Number) } },
    ]);
    expect(Number(refused.retryAfter)).toBe(refused.json.errors[0].extensions.retryAfterSeconds);
    expect((await client.send('/voucher', undefined, { authorization: json.token })).status).toBe(429);
    // The attempts of another user are counted separately.
    const other = await client.signUp();
    expect((await client.send('/voucher', undefined, { authorization: other.json.token })).status).toBe(202);

    const redeliver = () =>
      client.graphql('mutation ($id: ID!) { redeliver(deliveryId: $id) { id } }', { id: randomUUID() }, json.token);
    expect((await redeliver()).json.errors[0].extensions.code).toBe('NOT_FOUND');
    expect((await redeliver()).json.errors[0].extensions.code).toBe('RATE_LIMITED');
  });
});

it('rate limits: an address that the client itself names counts for nothing', async () => {
  await using system = await startEmbedded({ ...limits, TRUSTED_PROXIES: '' });
  const replies = [];
  for (let address = 1; address <= 9; address += 1)
    replies.push(await from(system, `198.51.100.${address}`).signIn(`nobody-${address}`, 'a wrong one'));
  expect(codesOf(replies)).toEqual([...Array(8).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED']);
});

it('rate limits: RATE_LIMITS=off turns them all off', async () => {
  await using system = await startEmbedded({ ...limits, RATE_LIMITS: 'off' });
  const client = from(system, '203.0.113.7');
  const { username } = await client.signUp();
  for (let attempt = 0; attempt < 12; attempt += 1)
    expect((await client.signIn(username, 'a wrong one')).json.code).toBe('INVALID_CREDENTIALS');
});

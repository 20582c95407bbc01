import { createPublicKey, type JsonWebKeyInput, randomInt, randomUUID, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import type { StartSystem, System } from '../system.ts';

/** Tests of the REST operations with curl, on a system of `startSystem`. */
export function restSuite(startSystem: StartSystem): void {
  // The operations of the original specification, with its curl commands.
  let system: System;
  let ann: Customer;
  beforeAll(async () => {
    system = await startSystem({ VPS_PROFILE: 'fast' });
    ann = await startCustomer(system);
  });
  afterAll(async () => {
    await ann[Symbol.asyncDispose]();
    await system[Symbol.asyncDispose]();
  });

  interface Curl {
    method?: 'GET' | 'POST';
    path: string;
    headers?: Record<string, string>;
    body?: string;
  }
  async function curl({ method = 'POST', path, headers = {}, body }: Curl) {
    const response = await fetch(system.gatewayUrl + path, { method, headers, body });
    return {
      status: response.status,
      type: response.headers.get('content-type')?.split(';')[0],
      json: (await response.json()) as Record<string, unknown>,
    };
  }
  const json = { 'content-type': 'application/json' };
  const local = () => `090${randomInt(1_000_000, 9_999_999)}`;

  it('rest: publishes the keys that have signed a callback', async () => {
    await ann.instructProvider({ delayMs: 0 });
    await ann.requestVoucher({ callbackUrl: ann.receiver.url });
    const { headers, body } = await ann.receiver.next();
    const response = await fetch(`${system.gatewayUrl}/.well-known/webhooks-jwks.json`);
    const { keys } = (await response.json()) as { keys: JsonWebKeyInput['key'][] };
    const [, signature = ''] = /v1a,(\S+)/.exec(String(headers['webhook-signature'])) ?? [];
    const content = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
    const verifies = keys.map((key) =>
      verify(null, content, createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64')),
    );
    expect(verifies).toContain(true);
  });

  it('rest: supports the curl commands of the original specification', async () => {
    const phoneNumber = local();
    const username = `curl-${randomUUID().slice(0, 8)}`;
    const password = '1234567';
    const body = JSON.stringify({ username, phoneNumber, password });
    const signedUp = await curl({ path: '/user/sign-up', headers: json, body });
    const user = { id: expect.any(String), username, phoneNumber: `+84${phoneNumber.slice(1)}` };
    expect(signedUp).toMatchObject({
      status: 201,
      json: { token: expect.any(String), expiresAt: expect.any(String), user },
    });

    const authorization = String(signedUp.json.token);
    const request = await curl({
      path: `/voucher?phoneNumber=${phoneNumber}&callbackUrl=${encodeURIComponent(ann.receiver.url)}`,
      headers: { authorization },
    });
    expect(request).toMatchObject({
      status: 202,
      json: { id: expect.any(String), status: 'PENDING', message: 'Your request is being processed within 30 seconds' },
    });
    const call = await ann.receiver.next();
    expect(call.json).toMatchObject({ data: { requestId: request.json.id } });

    // A browser may send the token of an ended session. It must not prevent a new sign-in.
    const signedIn = await curl({
      path: '/user/sign-in',
      headers: { ...json, authorization: 'stale' },
      body: JSON.stringify({ username, password }),
    });
    expect(signedIn).toMatchObject({ status: 200, json: { token: expect.any(String), user } });
    const listed = await curl({
      method: 'GET',
      path: `/voucher?phoneNumber=${phoneNumber}`,
      headers: { authorization: `Bearer ${signedIn.json.token}` },
    });
    expect(listed).toMatchObject({
      status: 200,
      json: { nodes: [{ requestId: request.json.id, status: 'SUCCESS' }], pageInfo: { hasNextPage: false } },
    });
  });

  it('rest: pages the list by cursors', async () => {
    await using customer = await startCustomer(system);
    for (let request = 0; request < 3; request += 1) {
      await customer.requestVoucher();
      await customer.nextCallback();
    }
    const headers = { authorization: customer.token };
    const list = async (query: string) =>
      (await curl({ method: 'GET', path: `/voucher?${query}`, headers })).json as {
        nodes: { code: string }[];
        pageInfo: { hasNextPage: boolean; endCursor: string };
      };
    await expect.poll(async () => (await list('first=10')).nodes.length).toBe(3);
    const all = await list('first=10');
    const page = await list('first=2');
    expect(page.nodes).toEqual(all.nodes.slice(0, 2));
    expect(page.pageInfo.hasNextPage).toBe(true);
    const rest = await list(`first=2&after=${page.pageInfo.endCursor}`);
    expect(rest.nodes).toEqual(all.nodes.slice(2));
    expect(rest.pageInfo.hasNextPage).toBe(false);
  });

  it('rest: an Idempotency-Key returns the same request, and refuses other input', async () => {
    const headers = { authorization: ann.token, 'idempotency-key': randomUUID() };
    const first = await curl({ path: '/voucher', headers });
    expect(await curl({ path: `/voucher?phoneNumber=${encodeURIComponent(ann.phoneNumber)}`, headers })).toMatchObject({
      status: 202,
      json: { id: first.json.id },
    });
    expect(await curl({ path: '/voucher?callbackUrl=http://127.0.0.1:9/other', headers })).toMatchObject({
      status: 422,
      type: 'application/problem+json',
      json: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
  });

  it('rest: accepts local and international numbers, and an unencoded plus', async () => {
    const local = `0${ann.phoneNumber.slice(3)}`;
    for (const phoneNumber of [ann.phoneNumber, encodeURIComponent(ann.phoneNumber), local])
      expect(
        await curl({ path: `/voucher?phoneNumber=${phoneNumber}`, headers: { authorization: ann.token } }),
      ).toMatchObject({ status: 202, json: { phoneNumber: ann.phoneNumber } });
  });

  it('rest: the simulated provider responds to a direct request', async () => {
    const response = await fetch(`${system.vpsUrl}/api/request/voucher`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({
        phoneNumber: '0909123456',
        callbackUrl: `${system.integrationUrl}/api/voucher-code/vps/response`,
      }),
    });
    expect([response.status, await response.json()]).toEqual([
      200,
      {
        status: 'SUCCESS',
        voucherCode: expect.stringMatching(/^VC-/),
        message: expect.stringContaining('voucher code is ready'),
      },
    ]);
  });

  describe('rest: problem document with a stable code for', () => {
    const signUp = (over: object = {}) =>
      JSON.stringify({ username: `u-${randomUUID().slice(0, 8)}`, phoneNumber: local(), password: '1234567', ...over });
    const own = () => ({ authorization: ann.token });

    it.each<[string, () => Curl, number, string, string?]>([
      ['no body', () => ({ path: '/user/sign-up' }), 400, 'BAD_USER_INPUT', 'username'],
      ['a body that is no JSON', () => ({ path: '/user/sign-up', headers: json, body: '{' }), 400, 'BAD_USER_INPUT'],
      ['a body that is no object', () => ({ path: '/user/sign-up', headers: json, body: '[]' }), 400, 'BAD_USER_INPUT'],
      [
        'a form',
        () => ({
          path: '/user/sign-up',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: 'a=b',
        }),
        415,
        'BAD_USER_INPUT',
      ],
      [
        'a body over the limit',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ username: 'u'.repeat(300_000) }) }),
        413,
        'REQUEST_TOO_LARGE',
      ],
      [
        'a number for a name',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ username: 5 }) }),
        400,
        'BAD_USER_INPUT',
        'username',
      ],
      [
        'a username with a space',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ username: 'an n' }) }),
        400,
        'BAD_USER_INPUT',
        'username',
      ],
      [
        'a short password',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ password: '123456' }) }),
        400,
        'BAD_USER_INPUT',
        'password',
      ],
      [
        'an invalid phone number',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ phoneNumber: '12' }) }),
        400,
        'PHONE_NUMBER_INVALID',
        'phoneNumber',
      ],
      [
        'a username that is taken',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ username: ann.username }) }),
        409,
        'USERNAME_TAKEN',
        'username',
      ],
      [
        'a phone number that is taken',
        () => ({ path: '/user/sign-up', headers: json, body: signUp({ phoneNumber: ann.phoneNumber }) }),
        409,
        'PHONE_NUMBER_TAKEN',
        'phoneNumber',
      ],
      [
        'an unknown user',
        () => ({ path: '/user/sign-in', headers: json, body: '{"username":"nobody","password":"1234567"}' }),
        401,
        'INVALID_CREDENTIALS',
      ],
      [
        'a wrong password',
        () => ({
          path: '/user/sign-in',
          headers: json,
          body: JSON.stringify({ username: ann.username, password: 'wrong horse' }),
        }),
        401,
        'INVALID_CREDENTIALS',
      ],
      ['no token', () => ({ path: '/voucher' }), 401, 'UNAUTHENTICATED'],
      [
        'a forged token',
        () => ({ path: '/voucher', headers: { authorization: `${ann.token}x` } }),
        401,
        'UNAUTHENTICATED',
      ],
      [
        'another’s phone number',
        () => ({ path: '/voucher?phoneNumber=0909999999', headers: own() }),
        403,
        'FORBIDDEN',
        'phoneNumber',
      ],
      [
        'an invalid phone number, of a request',
        () => ({ path: '/voucher?phoneNumber=abc', headers: own() }),
        400,
        'PHONE_NUMBER_INVALID',
        'phoneNumber',
      ],
      [
        'a callbackUrl that is not a URL',
        () => ({ path: '/voucher?callbackUrl=here', headers: own() }),
        400,
        'CALLBACK_URL_REFUSED',
        'callbackUrl',
      ],
      [
        'a callbackUrl of another scheme',
        () => ({ path: '/voucher?callbackUrl=ftp://shop.example/x', headers: own() }),
        400,
        'CALLBACK_URL_REFUSED',
        'callbackUrl',
      ],
      [
        'first that is no number',
        () => ({ method: 'GET', path: '/voucher?first=many', headers: own() }),
        400,
        'BAD_USER_INPUT',
        'first',
      ],
      [
        'first over 100',
        () => ({ method: 'GET', path: '/voucher?first=101', headers: own() }),
        400,
        'BAD_USER_INPUT',
        'first',
      ],
      [
        'a cursor that is none',
        () => ({ method: 'GET', path: '/voucher?after=here', headers: own() }),
        400,
        'CURSOR_INVALID',
        'after',
      ],
      ['an unknown path', () => ({ method: 'GET', path: '/vouchers' }), 404, 'NOT_FOUND'],
    ])('%s', async (_what, request, status, code, argument) => {
      const answer = await curl(request());
      expect(answer).toMatchObject({ status, type: 'application/problem+json', json: { status, code } });
      expect(answer.json.title).toMatch(/\.$/);
      if (argument) expect(answer.json.argument).toBe(argument);
    });
  });
}

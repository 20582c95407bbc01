import { createPublicKey, type JsonWebKeyInput, randomUUID, verify } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Customer, startCustomer } from '../customer.ts';
import type { StartSystem, System } from '../system.ts';
import { jsonBody, randomLocalNumber, type SendCurl, sendCurl } from './curl.ts';
import { restProblems } from './rest-problems.ts';

/** Tests of the REST operations with curl, on a system of `startSystem`. */
export function restSuite(startSystem: StartSystem): void {
  // Tests the operations of the original specification, with its curl commands.
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

  const curl: SendCurl = (request) => sendCurl(system.gatewayUrl, request);

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
    const phoneNumber = randomLocalNumber();
    const username = `curl-${randomUUID().slice(0, 8)}`;
    const password = '1234567';
    const body = JSON.stringify({ username, phoneNumber, password });
    const signedUp = await curl({ path: '/user/sign-up', headers: jsonBody, body });
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

    // A browser may send the token of an ended session, which must not prevent a new sign-in.
    const signedIn = await curl({
      path: '/user/sign-in',
      headers: { ...jsonBody, authorization: 'stale' },
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
      headers: jsonBody,
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

  restProblems({ curl, customer: () => ann });
}

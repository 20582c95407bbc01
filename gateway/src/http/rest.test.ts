import { listen } from '@voucher-gateway/platform/http/listen';
import { createHttpServer } from '@voucher-gateway/platform/http/server';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { statusOf } from '@voucher-gateway/schema/error-codes';
import { describe, expect, it } from 'vitest';
import { addRestRoutes } from './rest.ts';

/** Serves the routes, with operations that always succeed. `ran` has their variables. */
async function serve() {
  const ran: Record<string, unknown>[] = [];
  const app = createHttpServer({ log: createMemoryLog(), statusOf });
  addRestRoutes(app, async (_request, _reply, _query, variables) => {
    ran.push(variables);
    return { data: { signUp: {}, signIn: {}, requestVoucher: {}, purchasedVouchers: {} } };
  });
  const url = await listen(app, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  const ask = async (path: string, body?: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method: path.startsWith('/voucher?first') || path === '/voucher' ? 'GET' : 'POST',
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      body,
    });
    return { status: response.status, ...((await response.json()) as { code?: string; argument?: string }) };
  };
  return { ran, ask, [Symbol.asyncDispose]: () => app.close() };
}
const ann = { username: 'ann', phoneNumber: '0909123456', password: 'password' };

describe('rest', () => {
  it.each([
    ['POST /voucher', '/voucher?phone=1', undefined, 'phone'],
    ['GET /voucher', '/voucher?first=1&last=2', undefined, 'last'],
    ['sign-up', '/user/sign-up?username=ann', JSON.stringify(ann), 'username'],
    ['sign-in', '/user/sign-in?a=1', JSON.stringify(ann), 'a'],
    ['__proto__', '/voucher?__proto__=1', undefined, '__proto__'],
  ])('refuses an unknown query parameter of %s by name', async (_what, path, body, argument) => {
    await using server = await serve();
    expect(await server.ask(path, body)).toMatchObject({
      status: 400,
      code: 'BAD_USER_INPUT',
      title: expect.stringContaining(JSON.stringify(argument)),
      argument,
    });
    expect(server.ran).toEqual([]);
  });

  it.each([
    ['a body', '/user/sign-in', '{"username": "a\\u0000", "password": "password"}', 'username'],
    ['a password', '/user/sign-up', JSON.stringify({ ...ann, password: 'pass\ud800word' }), 'password'],
    ['a body, in an unknown field', '/user/sign-in', JSON.stringify({ ...ann, more: ['\0'] }), 'more.0'],
    ['a query parameter', '/voucher?callbackUrl=http://a/%00', undefined, 'callbackUrl'],
    ['a query parameter of a list', '/voucher?first=1&after=%00', undefined, 'after'],
  ])('refuses NUL and lone surrogates in %s', async (_what, path, body, argument) => {
    await using server = await serve();
    expect(await server.ask(path, body)).toMatchObject({ status: 400, code: 'BAD_USER_INPUT', argument });
    expect(server.ran).toEqual([]);
  });

  it('passes known parameters to the operations', async () => {
    await using server = await serve();
    expect((await server.ask('/user/sign-up', JSON.stringify(ann))).status).toBe(201);
    expect((await server.ask('/voucher?phoneNumber=+84909123456', undefined, { 'idempotency-key': 'k' })).status).toBe(
      202,
    );
    expect(server.ran).toEqual([{ input: ann }, { input: { phoneNumber: '+84909123456', idempotencyKey: 'k' } }]);
  });
});

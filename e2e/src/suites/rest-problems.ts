import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Customer } from '../customer.ts';
import { type Curl, jsonBody, randomLocalNumber, type SendCurl } from './curl.ts';

/**
 * Tests of the problem documents by which REST reports errors. The customer is created in `beforeAll`, after this
 * function is called. So `customer` is a function.
 */
export function restProblems({ curl, customer }: { curl: SendCurl; customer(): Customer }): void {
  describe('rest: problem document with a stable code for', () => {
    const signUp = (over: object = {}) =>
      JSON.stringify({
        username: `u-${randomUUID().slice(0, 8)}`,
        phoneNumber: randomLocalNumber(),
        password: '1234567',
        ...over,
      });
    const own = () => ({ authorization: customer().token });

    it.each<[string, () => Curl, number, string, string?]>([
      ['no body', () => ({ path: '/user/sign-up' }), 400, 'BAD_USER_INPUT', 'username'],
      [
        'a body that is no JSON',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: '{' }),
        400,
        'BAD_USER_INPUT',
      ],
      [
        'a body that is no object',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: '[]' }),
        400,
        'BAD_USER_INPUT',
      ],
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
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ username: 'u'.repeat(300_000) }) }),
        413,
        'REQUEST_TOO_LARGE',
      ],
      [
        'a number for a name',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ username: 5 }) }),
        400,
        'BAD_USER_INPUT',
        'username',
      ],
      [
        'a username with a space',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ username: 'an n' }) }),
        400,
        'BAD_USER_INPUT',
        'username',
      ],
      [
        'a short password',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ password: '123456' }) }),
        400,
        'BAD_USER_INPUT',
        'password',
      ],
      [
        'an invalid phone number',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ phoneNumber: '12' }) }),
        400,
        'PHONE_NUMBER_INVALID',
        'phoneNumber',
      ],
      [
        'a username that is taken',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ username: customer().username }) }),
        409,
        'USERNAME_TAKEN',
        'username',
      ],
      [
        'a phone number that is taken',
        () => ({ path: '/user/sign-up', headers: jsonBody, body: signUp({ phoneNumber: customer().phoneNumber }) }),
        409,
        'PHONE_NUMBER_TAKEN',
        'phoneNumber',
      ],
      [
        'an unknown user',
        () => ({ path: '/user/sign-in', headers: jsonBody, body: '{"username":"nobody","password":"1234567"}' }),
        401,
        'INVALID_CREDENTIALS',
      ],
      [
        'a wrong password',
        () => ({
          path: '/user/sign-in',
          headers: jsonBody,
          body: JSON.stringify({ username: customer().username, password: 'wrong horse' }),
        }),
        401,
        'INVALID_CREDENTIALS',
      ],
      ['no token', () => ({ path: '/voucher' }), 401, 'UNAUTHENTICATED'],
      [
        'a forged token',
        () => ({ path: '/voucher', headers: { authorization: `${customer().token}x` } }),
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

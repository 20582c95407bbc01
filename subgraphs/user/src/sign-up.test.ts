import type { Database } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { describe, expect, it } from 'vitest';
import { codeOf, startTestUserService } from './testing/user-service.ts';

describe('signUp', () => {
  it('signUp: normalises the phone number, and returns a valid token', async () => {
    await using ctx = await startTestUserService();
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

  it.each([
    ['a short username', { username: 'an' }, 'BAD_USER_INPUT', 'input.username'],
    ['a username with a space', { username: 'ann lee' }, 'BAD_USER_INPUT', 'input.username'],
    ['a password of six', { password: '123456' }, 'BAD_USER_INPUT', 'input.password'],
    ['a password of 257', { password: 'x'.repeat(257) }, 'BAD_USER_INPUT', 'input.password'],
    ['a text that is not a phone number', { phoneNumber: 'hello' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
    ['a phone number too short', { phoneNumber: '0909' }, 'PHONE_NUMBER_INVALID', 'input.phoneNumber'],
  ])('signUp: rejects %s', async (_what, input, code, argument) => {
    await using ctx = await startTestUserService();
    const { data, errors } = await ctx.signUp(input);
    expect(data).toBeNull();
    expect(errors).toMatchObject([{ extensions: { code, argument } }]);
  });

  it('signUp: rejects a taken username or phone number, in any case or form', async () => {
    await using ctx = await startTestUserService();
    await ctx.signUp();
    expect(codeOf(await ctx.signUp({ username: 'ANN', phoneNumber: '0909123457' }))).toBe('USERNAME_TAKEN');
    expect(codeOf(await ctx.signUp({ username: 'bob', phoneNumber: '+84 909 123 456' }))).toBe('PHONE_NUMBER_TAKEN');
  });

  it('signUp: accepts one of two concurrent sign-ups with the same username', async () => {
    await using ctx = await startTestUserService();
    const answers = await Promise.all([ctx.signUp(), ctx.signUp({ phoneNumber: '0909123457' })]);
    expect(answers.map(codeOf).toSorted()).toEqual(['USERNAME_TAKEN', undefined]);
  });

  it('signUp: stores nothing if the session store is unavailable', async () => {
    let away = true;
    await using ctx = await startTestUserService({
      keyValue: { set: () => (away ? Promise.reject(new Error('away')) : Promise.resolve()) },
    });
    const refused = await ctx.signUp();
    expect(refused.errors).toMatchObject([{ extensions: { code: 'SESSION_STORE_UNAVAILABLE', retryable: true } }]);
    away = false;
    expect(codeOf(await ctx.signIn())).toBe('INVALID_CREDENTIALS');
    expect((await ctx.signUp()).errors).toBeUndefined();
  });

  // Regression: the client got an error although its user was stored. The client's retry was refused, because the name
  // was taken.
  it.each([
    ['was committed', true],
    ['was rolled back', false],
  ])('signUp: succeeds if the answer to its COMMIT is lost and it %s', async (_what, isCommitted) => {
    let isLost = false;
    const loseFirst = ({ transaction }: Database): Partial<Database> => ({
      async transaction<T>(work: Parameters<typeof transaction<T>>[0]): Promise<T> {
        if (!isLost) return transaction(work);
        isLost = false;
        const rollBack = new Error('rolled back');
        const run = async (tx: Parameters<typeof work>[0]) => {
          const result = await work(tx);
          if (!isCommitted) throw rollBack;
          return result;
        };
        await transaction(run).catch((error) => {
          if (error !== rollBack) throw error;
        });
        throw new CodedError('COMMIT_UNKNOWN', 'No answer came.', { retryable: true });
      },
    });
    await using ctx = await startTestUserService({ changeDatabase: loseFirst });
    isLost = true;
    const { data, errors } = await ctx.signUp();
    expect(errors).toBeUndefined();
    expect(isLost).toBe(false);
    const { token } = data?.signUp as { token: string };
    expect((await ctx.post('mutation { signOut }', {}, token)).data).toEqual({ signOut: true });
    expect(codeOf(await ctx.signUp({ phoneNumber: '0909123457' }))).toBe('USERNAME_TAKEN');
  });

  it('signUp: leaves no session for a username that is taken', async () => {
    const stored: string[] = [];
    await using ctx = await startTestUserService({
      keyValue: {
        set: async (key) => void stored.push(key),
        delete: async (key) => {
          stored.splice(stored.indexOf(key), 1);
          return true;
        },
      },
    });
    await ctx.signUp();
    const before = [...stored];
    expect(codeOf(await ctx.signUp({ phoneNumber: '0909123457' }))).toBe('USERNAME_TAKEN');
    expect(stored).toEqual(before);
  });
});

import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { unavailable } from '../scheduling/wait-queue.ts';
import { createGraphqlErrorHandler } from './graphql-error-handler.ts';

function setUp(fail: () => Error) {
  const log = createMemoryLog('info');
  const app = Fastify();
  app.setErrorHandler(createGraphqlErrorHandler(log));
  app.post('/graphql', () => Promise.reject(fail()));
  const post = () => app.inject({ method: 'POST', url: '/graphql', payload: {} });
  const levels = () => [...log.text.matchAll(/"level":"(\w+)"/g)].map(([, level]) => level);
  return { post, levels, [Symbol.asyncDispose]: () => app.close() };
}

describe('error before Apollo Server gets the request', () => {
  it('is retryable for a full queue, and logs one warning for many', async () => {
    await using ctx = setUp(unavailable);
    const [answer] = await Promise.all([ctx.post(), ctx.post(), ctx.post()]);
    expect(answer?.statusCode).toBe(503);
    expect(answer?.headers['retry-after']).toBe('1');
    expect(answer?.json()).toEqual({
      errors: [
        {
          message: expect.stringContaining('try again'),
          extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 },
        },
      ],
    });
    expect(ctx.levels()).toEqual(['warn']);
  });

  it('is masked as an internal error if it is unknown', async () => {
    await using ctx = setUp(() => new Error('secret'));
    const answer = await ctx.post();
    expect(answer.json()).toEqual({
      errors: [{ message: expect.not.stringContaining('secret'), extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    });
    expect(ctx.levels()).toEqual(['error']);
  });
});

import { describe, expect, it } from 'vitest';
import { delivered, failed } from '../attempt-result.ts';
import { readSigns } from './signs.ts';

const http = (status: number, retryAfterMs: number | null = null) => failed('HTTP_ERROR', { status, retryAfterMs });

describe('signs of an attempt', () => {
  it.each([
    ['2xx', delivered(200), { isBroken: false, isOverloaded: false, pauseMs: 0 }],
    ['an SMS', { outcome: 'accepted', reportWithinMs: 1 }, { isBroken: false, isOverloaded: false, pauseMs: 0 }],
    ['a 3xx', http(302), { isBroken: false, isOverloaded: false, pauseMs: 0 }],
    ['a 404', http(404), { isBroken: false, isOverloaded: false, pauseMs: 0 }],
    ['a 404 with Retry-After', http(404, 9_000), { isBroken: false, isOverloaded: false, pauseMs: 0 }],
    ['a 429', http(429), { isBroken: false, isOverloaded: true, pauseMs: 0 }],
    ['a 429 with Retry-After', http(429, 9_000), { isBroken: false, isOverloaded: true, pauseMs: 9_000 }],
    [
      'a 429 of an SMS provider',
      failed('SMS_FAILED', { providerStatus: 429, retryAfterMs: 9_000 }),
      { isBroken: false, isOverloaded: true, pauseMs: 9_000 },
    ],
    ['a 500', http(500), { isBroken: true, isOverloaded: false, pauseMs: 0 }],
    ['a 502', http(502), { isBroken: true, isOverloaded: true, pauseMs: 0 }],
    ['a 503 with Retry-After', http(503, 9_000), { isBroken: true, isOverloaded: false, pauseMs: 9_000 }],
    ['a 504', http(504), { isBroken: true, isOverloaded: true, pauseMs: 0 }],
    ['a time-out', failed('TIMEOUT'), { isBroken: true, isOverloaded: true, pauseMs: 0 }],
    ['a refused connection', failed('CONNECTION_REFUSED'), { isBroken: true, isOverloaded: false, pauseMs: 0 }],
    ['a refused address', failed('ADDRESS_REFUSED'), { isBroken: null, isOverloaded: false, pauseMs: 0 }],
    ['an attempt that a stop ended', { outcome: 'stopped' }, { isBroken: null, isOverloaded: false, pauseMs: 0 }],
    ['an error of ours', null, { isBroken: null, isOverloaded: false, pauseMs: 0 }],
  ] as const)('signs: of %s', (_what, result, signs) => {
    expect(readSigns(result)).toEqual(signs);
  });
});

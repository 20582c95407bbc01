import { readConfig } from '@voucher-gateway/platform/process/config';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatewaySettings } from '../config.ts';
import { openTestPipeline } from '../testing/operations/pipeline.ts';
import { estimateBytes } from './response-size.ts';

const defaults = readConfig(gatewaySettings, { JWKS_URL: 'http://127.0.0.1/unused' });

const isLargerThan = (value: unknown, maxBytes: number) => estimateBytes(value, maxBytes) > maxBytes;

describe('response size', () => {
  it('is at least a sixth of the text, and hardly more than it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = Buffer.byteLength(JSON.stringify(value));
        expect(isLargerThan(value, 3 * bytes + 8)).toBe(false);
        expect(isLargerThan(value, Math.floor(bytes / 6) - 1)).toBe(true);
      }),
    );
  });

  it('counts an object once per reference', () => {
    let answer: object = { name: 'x'.repeat(100) };
    // `answer` has 60 levels, and each level refers to the next level twice. As text it would have 2^60 entries.
    for (let level = 0; level < 60; level += 1) answer = { a: answer, b: answer };
    expect(isLargerThan(answer, 1_000_000)).toBe(true);
  });

  it('does not recurse', () => {
    let deep: unknown = null;
    for (let level = 0; level < 200_000; level += 1) deep = [deep];
    expect(isLargerThan(deep, 100)).toBe(true);
    expect(isLargerThan(deep, 1_000_000)).toBe(false);
  });
});

describe('operations: limits', () => {
  it('count the bytes of errors as well as of data', async () => {
    const limits = { ...defaults, MAX_RESPONSE_BYTES: 1_000 };
    const errors = [{ message: 'x'.repeat(2_000), extensions: { code: 'FORBIDDEN' } }];
    await using pipeline = await openTestPipeline({ limits, errors });
    await expect(pipeline.run('{ me { id } }')).rejects.toMatchObject({ details: { limit: 'MAX_RESPONSE_BYTES' } });
  });

  it('refuse a response over MAX_RESPONSE_BYTES', async () => {
    const limits = { ...defaults, MAX_RESPONSE_BYTES: 1_000 };
    await using pipeline = await openTestPipeline({ limits, answer: { me: { id: '1', username: 'x'.repeat(2_000) } } });
    await expect(pipeline.run('{ me { username } }')).rejects.toMatchObject({
      code: 'OPERATION_TOO_COMPLEX',
      details: { limit: 'MAX_RESPONSE_BYTES', maximum: 1_000 },
    });
    expect(await pipeline.run('{ me { id } }')).toEqual({ data: { me: { id: '1' } } });
  });
});

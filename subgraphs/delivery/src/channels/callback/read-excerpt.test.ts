import { Readable } from 'node:stream';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readExcerpt } from './read-excerpt.ts';

/** Creates a body in chunks of 1,024 bytes, and counts the bytes that were read. */
function bodyOf(bytes: Buffer) {
  const read = { bytes: 0 };
  const chunks = function* () {
    for (let at = 0; at < bytes.length; at += 1_024) {
      const chunk = bytes.subarray(at, at + 1_024);
      read.bytes += chunk.length;
      yield chunk;
    }
  };
  return { body: Readable.from(chunks(), { objectMode: false }), read };
}

describe('excerpt of a response', () => {
  it('is its body, if that is short', async () => {
    expect(await readExcerpt(bodyOf(Buffer.from('out of stock')).body, undefined)).toBe('out of stock');
    expect(await readExcerpt(bodyOf(Buffer.alloc(0)).body, undefined)).toBe('');
  });

  it('is its first KiB, and at most 64 KiB are read', async () => {
    const { body, read } = bodyOf(Buffer.alloc(1_048_576, 'x'));
    expect(await readExcerpt(body, undefined)).toBe('x'.repeat(1_024));
    expect(read.bytes).toBeLessThan(200_000);
    expect(body.destroyed).toBe(true);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is decompressed: %s', async (encoding, compress) => {
    expect(await readExcerpt(bodyOf(compress(Buffer.from('out of stock'))).body, encoding)).toBe('out of stock');
  });

  it('is bounded for what decompresses to 32 MiB', async () => {
    const bomb = gzipSync(Buffer.alloc(33_554_432));
    const { body, read } = bodyOf(bomb);
    expect(await readExcerpt(body, 'gzip')).toBe('\u{fffd}'.repeat(1_024));
    expect(read.bytes).toBeLessThanOrEqual(bomb.length);
  });

  it.each([
    ['gzip', Buffer.from('not gzip')],
    ['br', Buffer.from('not brotli at all')],
    ['gzip', gzipSync(Buffer.from('cut')).subarray(0, 8)],
  ])('is empty for a body that is not %s', async (encoding, bytes) => {
    expect(await readExcerpt(bodyOf(bytes).body, encoding)).toBe('');
  });

  it('has no NUL, and replaces what is not UTF-8', async () => {
    expect(await readExcerpt(bodyOf(Buffer.from([0x61, 0, 0xff, 0x62])).body, undefined)).toBe('a\u{fffd}\u{fffd}b');
  });

  it('is what arrived before the body failed', async () => {
    const body = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        throw new Error('reset');
      })(),
      { objectMode: false },
    );
    expect(await readExcerpt(body, undefined)).toBe('half');
  });
});

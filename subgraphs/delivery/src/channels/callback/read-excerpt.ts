import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** Bytes of a body that are read, before and after decompression, so that its connection can be reused. */
const readLimitBytes = 65_536;
/** Bytes that are kept. */
const excerptBytes = 1_024;
const decoders = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress };

/**
 * Reads a response's body up to a limit, and returns its beginning as text, without NUL characters. The rest is not read:
 * its connection is closed. An error of the body ends it.
 */
export async function readExcerpt(body: Readable, contentEncoding: string | undefined): Promise<string> {
  // A body that is not read to its end emits an error.
  body.on('error', () => {});
  const decoder = decoders[(contentEncoding ?? '').trim().toLowerCase() as keyof typeof decoders]?.();
  // Its errors are those of the decoded body.
  const source: Readable = decoder ? pipeline(limited(body), decoder, () => {}) : body;
  const kept: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (bytes < excerptBytes) kept.push(chunk.subarray(0, excerptBytes - bytes));
      bytes += chunk.length;
      if (bytes > readLimitBytes) break;
    }
  } catch {
    // What has arrived is kept.
  } finally {
    body.destroy();
  }
  return new TextDecoder().decode(Buffer.concat(kept)).replaceAll('\0', '\u{fffd}');
}

/** Ends after the limit, so that a body that decompresses to nothing ends as well. */
async function* limited(body: Readable): AsyncIterable<Buffer> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    yield chunk;
    bytes += chunk.length;
    if (bytes > readLimitBytes) return;
  }
}

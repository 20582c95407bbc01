import { pipeline, type Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/**
 * Limit of the bytes that are read from a body, before and after decompression. More bytes are read than the excerpt
 * needs, because a connection is reused only if its response was read to the end.
 */
const readLimitBytes = 65_536;
/** Length of the excerpt, in bytes. */
const excerptBytes = 1_024;
const decoders = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress };

/**
 * Reads a response's body up to a limit, and returns its beginning as text, without NUL characters. If the body is
 * longer than the limit, its connection is closed. After an error while reading, the excerpt has what was read before
 * the error.
 */
export async function readExcerpt(body: Readable, contentEncoding: string | undefined): Promise<string> {
  // The listener is needed, because a body that is not read to its end emits an error.
  body.on('error', () => {});
  const decoder = decoders[(contentEncoding ?? '').trim().toLowerCase() as keyof typeof decoders]?.();
  // The last argument of `pipeline` ignores errors, because the loop below also gets the errors.
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
    // After an error, the excerpt has what has arrived.
  } finally {
    body.destroy();
  }
  return new TextDecoder().decode(Buffer.concat(kept)).replaceAll('\0', '\u{fffd}');
}

/** Limits the compressed bytes, because a long body may decompress to nothing. */
async function* limited(body: Readable): AsyncIterable<Buffer> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    yield chunk;
    bytes += chunk.length;
    if (bytes > readLimitBytes) return;
  }
}

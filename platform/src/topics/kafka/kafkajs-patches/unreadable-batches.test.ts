import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { patchUnreadableBatches, unreadableBatchHeader } from './unreadable-batches.ts';

const require = createRequire(import.meta.url);
/** An encoded record without key, value and headers. */
const record = Buffer.from([12, 0, 0, 0, 1, 1, 0]);

/** Encodes a batch, compressed with gzip, that starts at this offset. */
function batchOf(
  offset: number,
  count: number,
  packed = gzipSync(Buffer.alloc(count * record.length, record)),
): Buffer {
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt32BE(head.length - 12 + packed.length, 8);
  head.writeInt8(2, 16);
  head.writeInt16BE(1, 21);
  head.writeInt32BE(count - 1, 23);
  head.writeInt32BE(count, 57);
  return Buffer.concat([head, packed]);
}

/** Decodes batches with kafkajs. Returns each message's offset and, for a batch that can't be decoded, the reason. */
async function read(...batches: Buffer[]) {
  patchUnreadableBatches();
  const Decoder = require('kafkajs/src/protocol/decoder');
  const bytes = Buffer.concat(batches);
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  const decoder = new Decoder(Buffer.concat([size, bytes]));
  const messages = await require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages')(decoder);
  return messages.map(({ offset, headers }: { offset: string; headers: Record<string, Buffer> }) =>
    [offset, headers[unreadableBatchHeader]?.toString()].filter((each) => each !== undefined),
  );
}

it('kafka: reads a batch of 150,000 messages as one that can not be read', async () => {
  // Regression: kafkajs passes all messages of a batch as arguments of one call. 150,000 arguments exceeded the stack.
  expect(await read(batchOf(7, 150_000), batchOf(150_007, 1))).toEqual([
    ['150006', 'It has 150000 messages, more than 100000.'],
    ['150007'],
  ]);
});

it('kafka: reads no more than 8 MiB of a partition at once', async () => {
  const batches = [0, 1, 2].map((index) => batchOf(index * 90_000, 90_000));
  expect(await read(...batches)).toHaveLength(2 * 90_000);
});

it('kafka: leaves a batch that is cut off to the next fetch', async () => {
  const whole = batchOf(0, 1);
  expect(await read(whole, batchOf(1, 1).subarray(0, 70))).toEqual([['0']]);
});

it('kafka: reads a batch that is no gzip as one that can not be read', async () => {
  expect(await read(batchOf(3, 2, Buffer.from('no gzip')), batchOf(5, 1))).toEqual([
    ['4', 'incorrect header check'],
    ['5'],
  ]);
});

import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { unzip, zstdDecompress } from 'node:zlib';
import kafkajs, { CompressionTypes } from 'kafkajs';
import type { Log } from '../../../process/log.ts';
import { patchModuleOnce } from './patch-once.ts';

/**
 * Header of the message that replaces a batch that can't be decoded. The header's value says why the batch can't be
 * decoded.
 */
export const unreadableBatchHeader = 'unreadable-batch';

/**
 * Maximum size of a decompressed batch. Batches of our services are smaller: they are not compressed, and by default
 * brokers accept batches up to 1 MiB.
 */
const maxOutputLength = 8_388_608;
const maxRecords = 100_000;
/**
 * Decoding of a partition's fetched batches stops at about this size. The remaining batches are fetched again later.
 */
const maxBytesAtOnce = 8_388_608;
const headBytes = 61;

interface Decoder {
  offset: number;
  readInt32(): number;
  canReadBytes(count: number): boolean;
  readBytes(count: number): Buffer;
}
interface DecodedRecord {
  key: Buffer | null;
  value: Buffer | null;
}
type Decode<Result> = (decoder: Decoder) => Promise<Result>;

/**
 * Patches kafkajs to replace a batch that it can't decode with one message without a value, which goes to the
 * dead-letter topic. Without the patch, each consumer of the topic crashes on the batch, rejoins, and crashes again.
 *
 * kafkajs can't decompress lz4 and snappy, and crashes on a batch of about 120,000 messages or more. kafkajs does not
 * limit the decompressed size; the patch does. The patch also adds zstd. Idempotent.
 */
export function patchUnreadableBatches(log?: Log): void {
  // `CompressionCodecs` is not imported by name, because Node finds only some names of a CommonJS module.
  const { CompressionCodecs } = kafkajs;
  const gzip = CompressionCodecs[CompressionTypes.GZIP]();
  CompressionCodecs[CompressionTypes.GZIP] = () => ({ ...gzip, decompress: bounded(promisify(unzip)) });
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({ decompress: bounded(promisify(zstdDecompress)) });
  patchModuleOnce(
    {
      path: 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages',
      usedBy: 'kafkajs/src/protocol/requests/fetch/v11/response',
      writtenFor: '1b27174fb8b38bbdc4f816f8cf122614d867e4ab612a5771ce2208f6eab45130',
      without: 'a batch that can not be read stops the consumers of its topic',
      patch: createDecodeMessages,
    },
    log,
  );
}

function bounded(unpack: (packed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>) {
  return (packed: Buffer) => unpack(packed, { maxOutputLength });
}

function createDecodeMessages(original: Decode<unknown[]>): Decode<unknown[]> {
  const require = createRequire(import.meta.url);
  const KafkaDecoder: new (bytes: Buffer) => Decoder = require('kafkajs/src/protocol/decoder');
  const decodeBatch: Decode<{ records: DecodedRecord[] }> = require('kafkajs/src/protocol/recordBatch/v0/decoder');
  const readBatch = async (batch: Buffer) => {
    try {
      const count = batch.readInt32BE(57);
      if (count > maxRecords) throw new Error(`It has ${count} messages, more than ${maxRecords}.`);
      return (await decodeBatch(new KafkaDecoder(batch))).records;
    } catch (error) {
      return [unreadable(batch, error)];
    }
  };
  return async (decoder) => {
    const start = decoder.offset;
    const size = decoder.readInt32();
    if (size < headBytes || !decoder.canReadBytes(size)) return [];
    let rest = decoder.readBytes(size);
    // Only message format 2 has record batches. Data in the formats 0 and 1 is left to kafkajs.
    if (rest.readInt8(16) < 2) {
      decoder.offset = start;
      return original(decoder);
    }
    const records: DecodedRecord[] = [];
    let bytes = 0;
    while (rest.length >= headBytes && bytes < maxBytesAtOnce) {
      const end = 12 + rest.readInt32BE(8);
      // The last batch of a fetch may be truncated.
      if (end < headBytes || end > rest.length) break;
      for (const record of await readBatch(rest.subarray(0, end))) {
        records.push(record);
        bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0) + headBytes;
      }
      rest = rest.subarray(end);
    }
    return records;
  };
}

/**
 * Returns the message that replaces an unreadable batch. It has the batch's last offset, so that kafkajs continues
 * after the batch.
 */
function unreadable(batch: Buffer, error: unknown) {
  const attributes = batch.readInt16BE(21);
  const why = error instanceof Error ? error.message : String(error);
  return {
    magicByte: 2,
    attributes: 0,
    timestamp: String(batch.readBigInt64BE(35)),
    offset: String(batch.readBigInt64BE(0) + BigInt(batch.readInt32BE(23))),
    key: null,
    value: null,
    headers: { [unreadableBatchHeader]: Buffer.from(why) },
    isControlRecord: (attributes & 0x20) !== 0,
    batchContext: { producerId: String(batch.readBigInt64BE(43)), inTransaction: (attributes & 0x10) !== 0 },
  };
}

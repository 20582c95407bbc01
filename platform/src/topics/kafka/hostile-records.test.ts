import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { CompressionCodecs, CompressionTypes, Kafka, logLevel, type Message } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { silentLog } from '../../process/log.ts';
import { openRealDatabase, realEngines } from '../../testing/real-engines.ts';
import { deadLetterName, type Topic } from '../../topics.ts';
import { connectKafka } from './connection/client.ts';
import { createKafkaTopics } from './topics.ts';

type Step = { number: number };

/** Opens a producer of unusual records, and a consumer and a tail that read them. */
async function open() {
  await using releases = new AsyncDisposableStack();
  const [brokers, clientId] = [realEngines().KAFKA_BROKERS.split(','), `test-${randomUUID()}`];
  const topic: Topic<Step> = {
    name: `steps-${randomUUID()}`,
    schema: z.object({ number: z.number() }),
    key: ({ number }) => String(number),
  };
  const database = releases.use(await openRealDatabase());
  const options = { brokers, clientId, partitions: 1, retentionMs: 3_600_000, log: silentLog };
  const client = releases.use(await connectKafka(options));
  const topics = releases.use(await createKafkaTopics({ ...options, database }));
  const [handled, tailed]: [number[], number[]] = [[], []];
  const handler = async ({ value }: { value: Step }) => void handled.push(value.number);
  await topics.consume({ topic, group: 'readers', handler });
  await topics.tail({ topic, from: 'now', onMessage: ({ value }) => void tailed.push(value.number) });
  const kafka = new Kafka({ brokers, clientId, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  releases.defer(() => producer.disconnect());
  const owned = releases.move();
  const send = (messages: Message[], compression = CompressionTypes.None) =>
    producer.send({ topic: topic.name, messages, compression });
  return {
    send,
    /** Sends a batch that claims to contain `messages`, but whose compressed bytes are `packed`. */
    async sendPacked(messages: Message[], type: keyof typeof CompressionCodecs, packed: Buffer | null) {
      const codec = CompressionCodecs[type];
      const compress = async ({ buffer }: { buffer: Buffer }) => packed ?? zstdCompressSync(buffer);
      CompressionCodecs[type] = () => ({ compress, decompress: async (bytes: Buffer) => codec().decompress(bytes) });
      await send(messages, type).finally(() => {
        CompressionCodecs[type] = codec;
      });
    },
    /** Resolves once the consumer and the tail have read these numbers. */
    async untilRead(...numbers: number[]) {
      await expect.poll(() => [handled, tailed]).toEqual([numbers, numbers]);
    },
    /** Reads the headers of all dead letters. */
    async readDeadLetters() {
      const consumer = kafka.consumer({ groupId: `dead-letters-${randomUUID()}` });
      await consumer.connect();
      owned.defer(() => consumer.disconnect());
      const letters: Record<string, string>[] = [];
      await client.ensureTopic(deadLetterName(topic.name));
      await consumer.subscribe({ topic: deadLetterName(topic.name), fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ message: { headers = {} } }) =>
          void letters.push(Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)]))),
      });
      return letters;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const step = (number: number, headers = {}): Message => ({ key: 'k', value: JSON.stringify({ number }), headers });

/** Creates a record with a header that has no value, which kafkajs's producer can't write. */
function recordWithEmptyHeader(): Buffer {
  const Encoder = createRequire(import.meta.url)('kafkajs/src/protocol/encoder');
  const header = new Encoder().writeVarIntString('empty').writeVarIntBytes(null);
  const record = new Encoder()
    .writeInt8(0)
    .writeVarLong(0)
    .writeVarInt(0)
    .writeVarIntBytes(Buffer.from('k'))
    .writeVarIntBytes(Buffer.from('{"number":1}'))
    .writeVarInt(1)
    .writeEncoder(header);
  return new Encoder().writeVarInt(record.size()).writeEncoder(record).buffer;
}

describe('foreign records', () => {
  it('kafka: reads a header without a value as none', async () => {
    await using ctx = await open();
    await ctx.sendPacked([step(0)], CompressionTypes.GZIP, gzipSync(recordWithEmptyHeader()));
    await ctx.send([step(2)]);
    await ctx.untilRead(1, 2);
  });

  it('kafka: reads a message with 8,000 headers at once', async () => {
    await using ctx = await open();
    await ctx.send([step(1, Object.fromEntries(Array.from({ length: 8_000 }, (_, index) => [`h${index}`, ''])))]);
    await ctx.send([step(2)]);
    await ctx.untilRead(1, 2);
  });

  it('kafka: reads what zstd has compressed', async () => {
    await using ctx = await open();
    await ctx.sendPacked([step(1)], CompressionTypes.ZSTD, null);
    await ctx.send([step(2)]);
    await ctx.untilRead(1, 2);
  });

  it('kafka: buries a batch that decompresses to 32 MiB as one message', async () => {
    await using ctx = await open();
    await ctx.send([{ key: 'k', value: ' '.repeat(33_554_432) }], CompressionTypes.GZIP);
    await ctx.send([step(2)]);
    await ctx.untilRead(2);
    const letters = await ctx.readDeadLetters();
    await expect.poll(() => letters).toMatchObject([{ 'unreadable-batch': expect.any(String) }]);
  });

  it('kafka: buries a batch that lz4 has compressed', async () => {
    await using ctx = await open();
    await ctx.sendPacked([step(1)], CompressionTypes.LZ4, lz4Of(recordWithEmptyHeader()));
    await ctx.send([step(2)]);
    await ctx.untilRead(2);
    const letters = await ctx.readDeadLetters();
    await expect.poll(() => letters).toMatchObject([{ 'unreadable-batch': 'LZ4 compression not implemented' }]);
  });
});

/** An LZ4 frame of one block that is not compressed. */
function lz4Of(bytes: Buffer): Buffer {
  const head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE((bytes.length | 0x80000000) >>> 0);
  return Buffer.concat([head, size, bytes, Buffer.alloc(4)]);
}

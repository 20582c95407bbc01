import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { CodedError } from '../../errors.ts';
import { parkMessage } from '../../topics/parked-messages.ts';
import { group, keysTogether, nameOf, setUpParking, soon, steps } from './parking-harness.ts';
import type { OpenTopics } from './topics-harness.ts';

/** Tests for every adapter of the topics port: messages that fail for long. */
export function parkingContract(open: OpenTopics): void {
  describe('parking', () => {
    // Regression: as long as a message failed, it blocked its key and the group's committed position.
    it('parks a message that fails for too long, and the group’s position advances', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, parked } = ctx;
      const before: string[] = [];
      const { consumer } = await consume(async ({ value }) => {
        if (value.key === 'bad') throw new TypeError('x is not a function');
        before.push(nameOf(value));
      }, soon);
      await publish({ key: 'bad', number: 0 }, ...steps('good', 3));
      await expect.poll(parked).toMatchObject([{ errorCode: 'TypeError', errorMessage: 'x is not a function' }]);
      await expect.poll(() => before).toEqual(['good0', 'good1', 'good2']);
      await consumer[Symbol.asyncDispose]();

      const after: string[] = [];
      await consume(async ({ value }) => void after.push(nameOf(value)));
      await publish({ key: 'good', number: 3 });
      await expect.poll(() => after.toSorted()).toEqual(['bad0', 'good3']);
      await expect.poll(parked).toEqual([]);
    });

    it('keeps the order of a key: later messages wait for a parked one', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, parked } = ctx;
      const seen: string[] = [];
      let isBroken = true;
      await consume(async ({ value }) => {
        if (isBroken && value.key === 'a' && value.number === 0) throw new Error('broken');
        seen.push(nameOf(value));
      }, soon);
      await publish(...steps('a', 3), ...steps('b', 2));
      await expect.poll(async () => (await parked()).length).toBe(3);
      await expect.poll(() => seen).toEqual(['b0', 'b1']);
      isBroken = false;
      await publish({ key: 'a', number: 3 });
      await expect.poll(() => seen).toEqual(['b0', 'b1', 'a0', 'a1', 'a2', 'a3']);
    });

    it('reports a parked message as finished only when it is', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, parked } = ctx;
      const [bad = '', good = ''] = keysTogether(2);
      const told: { key: string; at: number; through: number }[] = [];
      const positions: number[] = [];
      let isBroken = true;
      await consume(
        async ({ value: { key }, position }, { finishedThrough }) => {
          if (isBroken && key === bad) throw new Error('broken');
          told.push({ key, at: position, through: finishedThrough() });
        },
        { ...soon, onFinishedThrough: async (through) => void positions.push(...through.values()) },
      );
      await publish({ key: bad, number: 0 });
      await expect.poll(async () => (await parked()).length).toBe(1);
      const position = (await parked())[0]?.position ?? 0;
      await publish({ key: good, number: 0 });
      await expect.poll(() => told.length).toBe(1);
      expect(told[0]?.through).toBeLessThan(position);
      isBroken = false;
      await expect.poll(() => told.length).toBe(2);
      await expect.poll(() => positions.at(-1)).toBe(told[0]?.at);
    });

    it('sends a parked message to dead-letter once it fails by its own fault', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, parked, deadLetters } = ctx;
      let fault: Error = new Error('broken');
      await consume(async () => {
        throw fault;
      }, soon);
      const dead = await deadLetters();
      await publish({ key: 'a', number: 0 });
      await expect.poll(async () => (await parked()).length).toBe(1);
      fault = new CodedError('BAD', 'It can not be.');
      await expect.poll(() => dead).toEqual(['a0']);
      await expect.poll(parked).toEqual([]);
    });

    // Regression: a replayed dead letter that does not parse was retried forever, and later messages of its key waited
    // for it.
    it('sends a parked message to dead-letter if it does not parse', async () => {
      await using ctx = await setUpParking(open);
      const { database, topic, publish, consume, parked } = ctx;
      const seen: string[] = [];
      await consume(async ({ value }) => void seen.push(nameOf(value)));
      const invalid = { key: 'a', value: '{"not":"valid"}', headers: {}, partition: 0, position: 1, publishedAt: 1 };
      await parkMessage(database.query, {
        ...invalid,
        topic: topic.name,
        group,
        error: new Error('replayed'),
        isReplay: true,
      });
      await expect.poll(parked).toEqual([]);
      await publish({ key: 'a', number: 0 });
      await expect.poll(() => seen).toEqual(['a0']);
    });

    it('sends a parked message to dead-letter after its retention', async () => {
      await using ctx = await setUpParking(open);
      const { publish, consume, parked, deadLetters } = ctx;
      const broken = async () => {
        throw new Error('broken');
      };
      const { consumer } = await consume(broken, soon);
      const dead = await deadLetters();
      await publish(...steps('a', 2));
      await expect.poll(async () => (await parked()).map(({ attempts }) => attempts)).toEqual([2, 0]);
      expect(dead).toEqual([]);
      await consumer[Symbol.asyncDispose]();
      await consume(broken, { limits: { parkAfterMs: 100, keepParkedMs: 1 } });
      await expect.poll(() => dead).toEqual(['a0', 'a1']);
      await expect.poll(parked).toEqual([]);
    });

    it('retries in place while parking fails, or its limit is reached', async () => {
      await using ctx = await setUpParking(open);
      const { database, publish, consume, parked } = ctx;
      const seen: string[] = [];
      const attempts = new Map<string, number>();
      await consume(
        async ({ value }) => {
          const attempt = (attempts.get(value.key) ?? 0) + 1;
          attempts.set(value.key, attempt);
          if (attempt < 5) throw new Error('broken');
          seen.push(nameOf(value));
        },
        { limits: { parkAfterMs: 1, maxParked: 0 } },
      );
      await publish({ key: 'full', number: 0 });
      await expect.poll(() => seen).toEqual(['full0']);
      await database.query.execute(sql`alter table platform.parked_message rename to gone`);
      await publish({ key: 'gone', number: 0 });
      await expect.poll(() => seen).toEqual(['full0', 'gone0']);
      await database.query.execute(sql`alter table platform.gone rename to parked_message`);
      expect(await parked()).toEqual([]);
    });

    it('parks a message unchanged, whatever its key and headers', async () => {
      await using ctx = await setUpParking(open);
      const { database, topics, topic, consume, parked } = ctx;
      const seen: unknown[] = [];
      let isBroken = true;
      await consume(async ({ key, headers }) => {
        if (isBroken) throw new Error('broken\0\ud800');
        seen.push([key, headers.odd]);
      }, soon);
      const odd = { ...topic, key: () => '漢\u0001"\\' };
      await database.transaction((tx) =>
        topics.publish(tx, odd, { key: 'x', number: 0 }, { headers: { odd: '\u0001' } }),
      );
      await expect.poll(async () => (await parked()).length).toBe(1);
      isBroken = false;
      await expect.poll(() => seen).toEqual([['漢\u0001"\\', '\u0001']]);
    });
  });
}

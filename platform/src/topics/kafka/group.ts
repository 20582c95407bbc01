import type { Consumer, EachBatchPayload } from 'kafkajs';
import { isRetryable } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { createSlots } from '../../slots.ts';
import { type ConsumeOptions, deadLetterName } from '../../topics.ts';
import { pause } from '../attempt.ts';
import { createMessageHandler } from '../handle.ts';
import { createKeyQueues } from '../key-queues.ts';
import { createLowWaterMark, type LowWaterMark } from '../low-water-mark.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaProducer } from './producer.ts';
import { rawMessage } from './raw-message.ts';

/** Marks are committed at most this often, and when the group stops: a crash repeats what came since. */
const commitEveryMs = 200;

/** What this member knows of a partition that it holds. */
interface Held {
  mark: LowWaterMark;
  /** Position of the last message taken: what kafkajs reads again after a rebalance is passed over. */
  taken: number;
  committed: number;
  isPaused: boolean;
}

/**
 * A member of a consumer group on kafkajs, which is given batches and handed them back at once: messages
 * wait and run here, so that kafkajs goes on fetching and with that sends its heartbeats.
 *
 * - Only the low-water mark is committed: kafkajs's own `resolveOffset` would skip what runs still.
 * - At most `concurrency` messages run; a partition with as many waiting is paused.
 * - A partition that is revoked is let go of: what waits is dropped, what is finished is committed, what
 *   runs ends. One that stays goes on, and what kafkajs reads of it again is passed over.
 * - A consumer that kafkajs gives up on is made anew.
 */
export async function startKafkaGroup<Value>({
  topic,
  group,
  handler,
  concurrency = 64,
  onFinishedThrough = async () => {},
  client,
  producer,
  log,
}: ConsumeOptions<Value> & { client: KafkaClient; producer: KafkaProducer; log: Log }): Promise<AsyncDisposable> {
  const fields = { topic: topic.name, group };
  const name = client.nameOf(topic.name);
  const stop = new AbortController();
  const held = new Map<number, Held>();
  const slots = createSlots(concurrency);
  const queues = createKeyQueues();
  let consumer: Consumer | undefined;
  await client.ensureTopic(topic.name);

  const handle = createMessageHandler({
    topic,
    group,
    handler,
    log,
    signal: stop.signal,
    async bury(raw, headers) {
      const deadLetter = deadLetterName(topic.name);
      await client.ensureTopic(deadLetter);
      await producer.send([{ topic: deadLetter, key: raw.key, value: raw.value, headers }]);
    },
  });

  const eachBatch = async ({ batch, resolveOffset, isStale }: EachBatchPayload) => {
    if (isStale() || stop.signal.aborted) return;
    const { partition } = batch;
    const first = Number(batch.firstOffset() ?? 0);
    const place = held.get(partition) ?? {
      mark: createLowWaterMark(first),
      taken: first,
      committed: first,
      isPaused: false,
    };
    held.set(partition, place);
    for (const message of batch.messages) {
      const raw = rawMessage(partition, message);
      if (raw.position <= place.taken) continue;
      place.taken = raw.position;
      place.mark.take(raw.position);
      queues.run(`${partition}/${raw.key}`, async () => {
        const isMyTurn = await slots.take(stop.signal).then(
          () => true,
          () => false,
        );
        if (!isMyTurn) return;
        try {
          // Revoked while it waited: it is another member's.
          if (held.get(partition) !== place) return;
          if (await handle(raw, () => place.mark.through(raw.position))) place.mark.finish(raw.position);
        } finally {
          slots.release();
        }
        relieve(partition, place);
      });
    }
    resolveOffset(batch.lastOffset());
    if (place.mark.inFlight >= concurrency && !place.isPaused) {
      place.isPaused = true;
      consumer?.pause([{ topic: name, partitions: [partition] }]);
    }
  };
  const relieve = (partition: number, place: Held) => {
    if (!place.isPaused || place.mark.inFlight > concurrency / 2 || held.get(partition) !== place) return;
    place.isPaused = false;
    consumer?.resume([{ topic: name, partitions: [partition] }]);
  };

  const commit = async () => {
    for (const [partition, place] of held) {
      const position = place.mark.through();
      if (position === place.committed) continue;
      await consumer?.commitOffsets([{ topic: name, partition, offset: String(position) }]);
      place.committed = position;
      await onFinishedThrough(partition, position);
    }
  };
  const tryCommit = () =>
    commit().catch((error: unknown) => log.debug({ error, ...fields }, 'a position could not be committed yet'));
  const committing = (async () => {
    while (!stop.signal.aborted) {
      await pause(commitEveryMs, stop.signal);
      await tryCommit();
    }
  })();

  const join = async () => {
    const joining = client.kafka.consumer({
      // A group a topic on the broker: kafkajs deals out a group's topics as if each member read all of them.
      groupId: client.nameOf(`${group}.${topic.name}`),
      sessionTimeout: 10_000,
      heartbeatInterval: 3_000,
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 1_000,
      allowAutoTopicCreation: false,
      retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: async () => false },
    });
    const joined = Promise.withResolvers<void>();
    joining.on(joining.events.GROUP_JOIN, ({ payload }) => {
      const mine = new Set(payload.memberAssignment[name] ?? []);
      for (const [partition, place] of held) {
        if (!mine.has(partition)) held.delete(partition);
        // kafkajs forgets what was paused when it joins anew.
        else if (place.isPaused) joining.pause([{ topic: name, partitions: [partition] }]);
      }
      joined.resolve();
    });
    joining.on(joining.events.REBALANCING, () => void tryCommit());
    joining.on(joining.events.CRASH, ({ payload: { error } }) => {
      joined.reject(error);
      if (stop.signal.aborted || consumer !== joining) return;
      log.warn({ error, ...fields }, 'a consumer crashed; it joins again');
      void rejoin(joining);
    });
    consumer = joining;
    try {
      await joining.connect();
      await joining.subscribe({ topic: name, fromBeginning: true });
      await joining.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 16,
        eachBatch,
      });
      await joined.promise;
    } catch (error) {
      joined.promise.catch(() => {});
      await leave(joining);
      throw error;
    }
  };
  /** After a crash nothing is known of who had the partitions meanwhile: all is read again from what is committed. */
  const rejoin = async (crashed: Consumer) => {
    held.clear();
    await leave(crashed);
    for (let attempt = 0; !stop.signal.aborted; attempt += 1) {
      await pause(Math.min(200 * 2 ** attempt, 5_000), stop.signal);
      if (stop.signal.aborted) return;
      try {
        return await join();
      } catch (error) {
        log.warn({ error, ...fields, retryable: isRetryable(error) }, 'a consumer could not join; it tries again');
      }
    }
  };
  const leave = (leaving: Consumer) =>
    leaving.disconnect().catch((error: unknown) => log.debug({ error, ...fields }, 'a consumer could not leave'));

  try {
    await join();
  } catch (error) {
    log.warn({ error, ...fields }, 'a consumer could not join; it tries again');
    if (consumer) void rejoin(consumer);
  }
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await committing;
      await queues.idle();
      await tryCommit();
      if (consumer) await leave(consumer);
    },
  };
}

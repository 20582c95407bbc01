import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { expect, it, vi } from 'vitest';
import { realEngines } from '../../../testing/real-engines.ts';
import { patchHeartbeat } from './set-back-clock.ts';

// Regression: for an hour after the clock was set back by an hour, a consumer was in no group and could commit nothing.
it('kafkajs: sends heartbeats after the clock was set back', { timeout: 60_000 }, async () => {
  patchHeartbeat();
  await using releases = new AsyncDisposableStack();
  const kafka = new Kafka({ brokers: realEngines().KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const [topic, groupId] = [`clock-${randomUUID()}`, `readers-${randomUUID()}`];
  const admin = kafka.admin();
  await admin.connect();
  releases.defer(() => admin.disconnect());
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
  releases.defer(() => admin.deleteTopics({ topics: [topic] }));
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 100, maxWaitTimeInMs: 20 });
  await consumer.connect();
  releases.defer(() => consumer.disconnect());
  await consumer.subscribe({ topic });
  let heartbeats = 0;
  consumer.on(consumer.events.HEARTBEAT, () => {
    heartbeats += 1;
  });
  await consumer.run({ eachMessage: async () => {} });
  await expect.poll(() => heartbeats).toBeGreaterThan(0);
  const { now } = Date;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
  releases.defer(() => clock.mockRestore());
  const before = heartbeats;
  // Several heartbeats must follow, because the first may have been sent before the clock was set back.
  await expect.poll(() => heartbeats).toBeGreaterThan(before + 3);
});

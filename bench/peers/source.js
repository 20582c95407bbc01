import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';

/**
 * Publishes events to a peer's in-memory pubsub. The events come from IPC messages of the benchmark. If KAFKA_BROKERS
 * is set, the events come from the topic `receive-code`. Our gateway reads this topic with the same library and
 * options.
 *
 * @param {(event: {cursor: string, node: {phoneNumber: string}}) => void} publish publishes an event to the pubsub
 */
export async function feed(publish) {
  const { KAFKA_BROKERS } = process.env;
  if (!KAFKA_BROKERS) {
    process.on('message', (vouchers) => vouchers.forEach(tell));
    return;
  }
  const kafka = new Kafka({ brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `peer-${randomUUID()}`, maxWaitTimeInMs: 500 });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.connect();
  await consumer.subscribe({ topic: 'receive-code' });
  await consumer.run({
    autoCommit: false,
    async eachBatch({ batch }) {
      for (const { value } of batch.messages) tell(JSON.parse(String(value)));
    },
  });
  await joined;

  function tell(voucher) {
    publish({ cursor: voucher.id, node: voucher });
  }
}

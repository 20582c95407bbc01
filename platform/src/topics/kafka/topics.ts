import type { Log } from '../../process/log.ts';
import type { Topics } from '../../topics.ts';
import { encodeValue } from '../codec.ts';
import { createConsumerFailures } from '../consumer-failures.ts';
import { type ConsumerLimits, defaultConsumerLimits } from '../consumer-limits.ts';
import { createReaders } from '../open-readers.ts';
import { connectKafka, type KafkaOptions } from './connection/client.ts';
import { createKafkaProducer } from './connection/producer.ts';
import { startKafkaGroup } from './consumers/group.ts';
import { startKafkaTail } from './consumers/tail.ts';
import { deleteDeadTails } from './consumers/tail-groups.ts';
import { type OutboxOptions, openOutbox } from './relay/outbox.ts';

export interface KafkaTopicsOptions extends KafkaOptions {
  /** The database of the outbox and the parked messages. Without it, nothing can be published or parked. */
  database?: OutboxOptions['database'];
  /** Default: `defaultConsumerLimits`. */
  limits?: Partial<ConsumerLimits>;
  log: Log;
}

/**
 * The topics port on Kafka, with the outbox in the publisher's database. While no broker responds, groups and the
 * outbox wait; a tail can't be started (TOPICS_UNAVAILABLE).
 */
export async function createKafkaTopics({ database, limits, log, ...options }: KafkaTopicsOptions): Promise<Topics> {
  const { clientId } = options;
  await using releases = new AsyncDisposableStack();
  const client = await connectKafka({ ...options, log });
  const producer = createKafkaProducer(client, log);
  // Producer and client are disposed concurrently, because each of them waits for a time-out if the broker has stopped
  // responding.
  releases.defer(async () => {
    await Promise.all([producer, client].map((each) => each[Symbol.asyncDispose]()));
  });
  void client.connected.then((isConnected) => (isConnected ? deleteDeadTails(client, clientId, log) : undefined));
  const outbox = database && releases.use(await openOutbox({ database, producer, client, log }));
  const readers = releases.use(createReaders());
  const failures = createConsumerFailures();
  const groupContext = {
    client,
    producer,
    database,
    limits: { ...defaultConsumerLimits, ...limits },
    failures,
    log,
  };
  const owned = releases.move();

  const publishAll: Topics['publishAll'] = async (tx, topic, values, { headers = {} } = {}) => {
    if (!outbox) throw new Error('there is no database to publish from');
    if (values.length === 0) return;
    await outbox.add(
      tx,
      topic.name,
      values.map((value) => ({ key: topic.key(value), value: encodeValue(topic, value), headers })),
    );
    outbox.relay(topic.name);
  };

  return {
    publish: (tx, topic, value, publishOptions) => publishAll(tx, topic, [value], publishOptions),
    publishAll,
    consume: async (consumeOptions) => readers.track(await startKafkaGroup({ ...consumeOptions, ...groupContext })),
    tail: async (tailOptions) => readers.track(await startKafkaTail(tailOptions, { ...groupContext, clientId })),
    ping: client.ping,
    failures: failures.list,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

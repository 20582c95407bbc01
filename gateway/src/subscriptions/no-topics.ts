import type { Topics } from '@voucher-gateway/platform/topics';

const unavailable = async (): Promise<never> => {
  throw new Error('KAFKA_BROKERS is missing: the supergraph has @topic fields');
};

/**
 * `Topics` of a gateway that has neither Kafka nor its embedded replacement. Such a gateway can't serve a supergraph
 * with `@topic` fields.
 */
export const noTopics: Topics = {
  publish: unavailable,
  publishAll: unavailable,
  consume: unavailable,
  tail: unavailable,
  failures: () => [],
  ping: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

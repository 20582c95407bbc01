import type { Topics } from '@voucher-gateway/platform/topics';

const unavailable = async (): Promise<never> => {
  throw new Error('KAFKA_BROKERS is missing: the supergraph has @topic fields');
};

/** The topics of a gateway without an engine for them. A supergraph with `@topic` fields can't be served. */
export const noTopics: Topics = {
  publish: unavailable,
  publishAll: unavailable,
  consume: unavailable,
  tail: unavailable,
  failures: () => [],
  ping: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

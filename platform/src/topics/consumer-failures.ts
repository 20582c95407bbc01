import type { TopicsFailure } from '../topics.ts';

/** The current failures of readers (consumers and tails), at most one per reader. */
export interface ConsumerFailures {
  set(reader: object, failure: TopicsFailure): void;
  clear(reader: object): void;
  list(): readonly TopicsFailure[];
}

export function createConsumerFailures(): ConsumerFailures {
  const failures = new Map<object, TopicsFailure>();
  return {
    set: (reader, failure) => void failures.set(reader, failure),
    clear: (reader) => void failures.delete(reader),
    list: () => [...failures.values()],
  };
}

/** Why a consumer or tail is stuck, where a restart or an operator may help. */
export interface TopicsFailure {
  code: 'CONSUMER_STOPPED' | 'CONSUMER_NOT_JOINED' | 'TOPIC_RECREATED';
  topic: string;
  /** Undefined for a tail. */
  group?: string;
  message: string;
}

/** The current failures, one per reader. */
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

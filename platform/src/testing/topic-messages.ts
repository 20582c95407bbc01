import type { Message, Topic, Topics } from '../topics.ts';

/** Collects the messages of a topic that arrive after its creation. Use it with `await using`. */
export interface TopicMessages<Value> extends AsyncDisposable {
  /** All messages so far, oldest first. */
  readonly messages: readonly Message<Value>[];
  /** All values so far, oldest first. */
  readonly values: readonly Value[];
  /** Waits for `count` messages in all, and returns the messages so far. */
  atLeast(count: number): Promise<readonly Message<Value>[]>;
}

/** Converts a tuple of value types to the tuple of their topics. */
export type TopicsOf<Values extends unknown[]> = { [Index in keyof Values]: Topic<Values[Index]> };

/** Collects the messages that are published to these topics from now on. */
export async function collectMessages<Values extends unknown[]>(
  { tail }: Pick<Topics, 'tail'>,
  ...topics: TopicsOf<Values>
): Promise<TopicMessages<Values[number]>> {
  await using releases = new AsyncDisposableStack();
  const messages: Message<Values[number]>[] = [];
  let arrived = Promise.withResolvers<void>();
  const onMessage = (message: Message<Values[number]>) => {
    messages.push(message);
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  for (const topic of topics) releases.use(await tail({ topic, from: 'now', onMessage }));
  const owned = releases.move();
  return {
    messages,
    get values() {
      return messages.map(({ value }) => value);
    },
    async atLeast(count) {
      while (messages.length < count) await arrived.promise;
      return messages;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

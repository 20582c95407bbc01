import { describe } from 'vitest';
import { systemClock } from '../../async/clock.ts';
import { topicMessage } from '../../database/tables.ts';
import { silentLog } from '../../process/log.ts';
import { parkingContract } from '../../testing/contract/parking.ts';
import { stuckMessagesContract } from '../../testing/contract/stuck-messages.ts';
import { topicsContract } from '../../testing/contract/topics.ts';
import type { TopicsUnderTest } from '../../testing/contract/topics-harness.ts';
import { openTestEngines } from '../../testing/engines.ts';
import { createEmbeddedTopics } from './topics.ts';

describe('the topics port on the embedded message log', () => {
  const open = async (): Promise<TopicsUnderTest> => {
    const { database, topics, ...engines } = await openTestEngines();
    const others = new AsyncDisposableStack();
    return {
      database,
      topics,
      async another(limits) {
        return others.use(await createEmbeddedTopics({ database, clock: systemClock, log: silentLog, limits }));
      },
      async publishRaw(topic, key, value) {
        await database.query.insert(topicMessage).values({ topic, key, value, headers: {}, publishedAt: new Date() });
      },
      async [Symbol.asyncDispose]() {
        await others.disposeAsync();
        await engines[Symbol.asyncDispose]();
      },
    };
  };
  topicsContract(open);
  parkingContract(open);
  stuckMessagesContract(open);
});

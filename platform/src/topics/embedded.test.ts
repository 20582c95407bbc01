import { describe } from 'vitest';
import { systemClock } from '../clock.ts';
import { silentLog } from '../log.ts';
import { topicMessage } from '../tables.ts';
import { topicsContract } from '../testing/contract/topics.ts';
import { openTestEngines } from '../testing/engines.ts';
import { createEmbeddedTopics } from './embedded.ts';

describe('the topics port on the embedded message log', () => {
  topicsContract(async () => {
    const { database, topics, ...engines } = await openTestEngines();
    return {
      database,
      topics,
      async another() {
        return createEmbeddedTopics({ database, clock: systemClock, log: silentLog });
      },
      async publishRaw(topic, key, value) {
        await database.query.insert(topicMessage).values({ topic, key, value, headers: {}, publishedAt: new Date() });
      },
      [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
    };
  });
});

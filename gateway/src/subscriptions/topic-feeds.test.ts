import { CodedError } from '@voucher-gateway/platform/errors';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import type { Topics } from '@voucher-gateway/platform/topics';
import { describe, expect, it } from 'vitest';
import type { TopicField } from './plan/topic-directive.ts';
import { createTopicFeeds } from './topic-feeds.ts';

const field = { topic: 'receive-code', match: 'phoneNumber' } as TopicField;

/** Opens feeds of topics whose broker stays unavailable until the test makes it available. */
async function setUp() {
  await using releases = new AsyncDisposableStack();
  const engines = releases.use(await openTestEngines());
  let isAway = true;
  const topics: Topics = {
    ...engines.topics,
    async tail(options) {
      if (isAway) throw new CodedError('TOPICS_UNAVAILABLE', 'The broker does not answer.', { retryable: true });
      return engines.topics.tail(options);
    },
  };
  const recentBounds = { maxCount: 10, maxBytes: 10_000 };
  const feeds = releases.use(createTopicFeeds({ topics, recentBounds, maxScanBytes: 10_000, log: silentLog }));
  (await feeds.prepareFor([field])).commit();
  const owned = releases.move();
  return {
    feeds,
    comeBack() {
      isAway = false;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('topic feeds', () => {
  // Regression: a gateway that started while Kafka was down exited, although most operations need no topic.
  it('open once a broker responds, with a retryable error until then', async () => {
    await using ctx = await setUp();
    const refused = expect.objectContaining({ code: 'TOPICS_UNAVAILABLE', retryable: true });
    expect(() => ctx.feeds.get('receive-code')).toThrow(refused);
    ctx.comeBack();
    await expect.poll(() => ctx.feeds.get('receive-code').recent.hasAllAfter({})).toBe(true);
  });

  it('close while no broker responds', async () => {
    await using ctx = await setUp();
    expect(() => ctx.feeds.get('receive-code')).toThrow('can not be read yet');
  });
});

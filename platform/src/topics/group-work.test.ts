import { expect, it } from 'vitest';
import { z } from 'zod';
import { createMemoryLog } from '../testing/log.ts';
import { defaultConsumerLimits } from './consumer-limits.ts';
import { createGroupWork } from './group-work.ts';

// Regression: a consumer that stopped reported the stop once for each message that it was handling.
it('consumer: reports once that it stops, with many messages at a time', async () => {
  const stop = new AbortController();
  const log = createMemoryLog('error');
  const work = createGroupWork({
    topic: { name: 'steps', schema: z.number(), key: String },
    group: 'readers',
    handler: async () => {},
    limits: { ...defaultConsumerLimits, maxBuriedInARow: 1 },
    bury: async () => {},
    stop,
    onStopped: () => stop.abort(),
    log,
  });
  const invalid = { key: 'a', value: 'invalid', headers: {}, partition: 0, publishedAt: 1 };
  const positions = Array.from({ length: 10 }, (_, index) => index + 1);
  await Promise.all(positions.map((position) => work.handle({ ...invalid, position }, () => 0)));
  expect(log.text.match(/"code":"CONSUMER_STOPPED"/g)).toHaveLength(1);
});

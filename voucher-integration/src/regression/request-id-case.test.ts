import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { startTestIntegration } from '../testing/integration.ts';

it('request: is the same in whatever case its id is written', async () => {
  // Regression: for an id in upper case the request's row was not found. Each time that the message was handled, the
  // outcome was published again, and then the handler failed.
  await using ctx = await startTestIntegration();
  const message = await ctx.publish();
  await ctx.outcome();
  await ctx.publish({ ...message, requestId: message.requestId.toUpperCase() });
  const other = await ctx.publish({ requestId: randomUUID().toUpperCase() });
  const outcomes = await ctx.outcome(3);
  expect(outcomes.map(({ requestId }) => requestId).toSorted()).toEqual(
    [message.requestId, message.requestId, other.requestId.toLowerCase()].toSorted(),
  );
  expect(ctx.vps.requests).toHaveLength(2);
});

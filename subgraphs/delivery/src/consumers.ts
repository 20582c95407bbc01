import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as contracts } from '@voucher-gateway/schema/topics';
import type { CallbackTargets } from './callback-targets.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type Outcome, planDeliveries } from './plan.ts';

/** Whose messages the consumers are. */
export const group = 'delivery';

/**
 * Reads what delivery needs: requests for their callbackUrl, outcomes to send. An outcome is finished when its
 * deliveries are stored.
 */
export async function startConsumers({
  topics,
  targets,
  dispatcher,
}: {
  topics: Topics;
  targets: CallbackTargets;
  dispatcher: Dispatcher;
}): Promise<AsyncDisposable> {
  await using started = new AsyncDisposableStack();
  const deliver = async (outcome: Outcome) => {
    const callbackUrl = await targets.of(outcome.value.requestId);
    await dispatcher.deliver(planDeliveries(outcome, callbackUrl));
  };
  started.use(
    await topics.consume({
      topic: contracts.requestCode,
      group,
      handler: ({ value }) => targets.keep(value),
    }),
  );
  started.use(
    await topics.consume({
      topic: contracts.receiveCode,
      group,
      handler: ({ value }) => deliver({ type: 'voucher.received', value }),
    }),
  );
  started.use(
    await topics.consume({
      topic: contracts.requestFailed,
      group,
      handler: ({ value }) => deliver({ type: 'voucher.failed', value }),
    }),
  );
  return started.move();
}

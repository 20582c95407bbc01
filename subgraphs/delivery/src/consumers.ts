import type { StopStage } from '@voucher-gateway/platform/process/stop-stage';
import type { Topics } from '@voucher-gateway/platform/topics';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { Dispatcher } from './attempts/dispatcher.ts';
import { type Outcome, planDeliveries } from './plan-deliveries.ts';
import type { CallbackTargets } from './request-targets.ts';

/** Name of the consumer group. */
export const group = 'delivery';

/**
 * Consumes voucher requests, and stores their callbackUrl. Also consumes the outcomes of requests (a code or a
 * failure), and delivers them. An outcome counts as consumed once its deliveries are stored, before they are sent.
 *
 * @param stage the stage of the shutdown in which the consumers stop
 */
export async function startConsumers({
  topics,
  targets,
  dispatcher,
  stage,
}: {
  topics: Topics;
  targets: CallbackTargets;
  dispatcher: Dispatcher;
  stage: Pick<StopStage, 'use'>;
}): Promise<void> {
  const deliver = async (outcome: Outcome) => {
    const callbackUrl = await targets.find(outcome.value.requestId);
    await dispatcher.deliver(planDeliveries(outcome, callbackUrl));
  };
  stage.use(
    await topics.consume({
      topic: schemaTopics.requestCode,
      group,
      handler: ({ value }) => targets.store(value),
    }),
  );
  stage.use(
    await topics.consume({
      topic: schemaTopics.receiveCode,
      group,
      handler: ({ value }) => deliver({ type: 'voucher.received', value }),
    }),
  );
  stage.use(
    await topics.consume({
      topic: schemaTopics.requestFailed,
      group,
      handler: ({ value }) => deliver({ type: 'voucher.failed', value }),
    }),
  );
}

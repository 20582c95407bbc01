import { CodedError, isRetryable } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { Federation } from '../federation/federation.ts';
import type { Preparation } from '../federation/reloadable-federation.ts';
import type { ResultFormatter } from '../format-result.ts';
import type { Operation } from '../operations/operations.ts';
import { inSlices } from '../scheduling/in-slices.ts';
import type { TopicField } from './plan/topic-directive.ts';
import type { OperationChange, SharedOperation } from './shared-operation.ts';
import type { TopicFeeds } from './topic-feeds.ts';

export interface ReloadOptions {
  next: Federation;
  /** Subscription fields with `@topic` in the next supergraph. */
  topicFields: ReadonlyMap<string, TopicField>;
  /** The operations that have subscriptions. The set may change during the preparation. */
  running: ReadonlySet<SharedOperation>;
  feeds: TopicFeeds;
  formatter: ResultFormatter;
  log: Log;
}

/**
 * Maximum number of attempts to plan an operation. An attempt fails if the planner's queue is full, or its thread is
 * being replaced.
 */
const planAttempts = 6;

/**
 * Prepares the active subscriptions for a reload of the supergraph. It opens the topic feeds and plans every operation
 * before the switch to the next supergraph, so that the switch is quick. Operations that are invalid in the next
 * supergraph end with SUBSCRIPTION_SCHEMA_RELOAD.
 */
export async function prepareReload(options: ReloadOptions): Promise<Preparation> {
  const { next, topicFields, running, feeds, formatter, log } = options;
  await using undo = new AsyncDisposableStack();
  const nextFeeds = undo.use(await feeds.prepareFor(topicFields.values()));
  const planOperation = createReplanner(next);
  const changes = new Map<SharedOperation, OperationChange>();
  const prepare = (operations: Iterable<SharedOperation>) =>
    inSlices(operations, async (shared) => {
      changes.set(shared, shared.planChange(await planOperation(shared.operation), topicFields));
    });
  const missing = () => [...running].filter((shared) => !changes.has(shared));
  await prepare(missing());
  const opened = undo.move();
  const errors = formatter.formatErrors(
    new CodedError<PublicErrorCode>(
      'SUBSCRIPTION_SCHEMA_RELOAD',
      'The schema has changed, and this subscription does not fit it any more: subscribe again.',
    ),
  );
  const moving: SharedOperation[] = [];
  const ended: SharedOperation[] = [];

  return {
    pending() {
      const operations = missing();
      return operations.length === 0 ? null : prepare(operations);
    },
    commit() {
      nextFeeds.commit();
      for (const shared of [...running]) {
        const change = changes.get(shared);
        if (change?.kind === 'keep') shared.keep(change);
        else if (change?.kind === 'move') moving.push(shared);
        else {
          shared.retire(errors);
          ended.push(shared);
        }
      }
    },
    async finish() {
      for (const shared of moving) {
        const change = changes.get(shared);
        if (change?.kind === 'move') await inSlices(shared.move(change), () => {});
      }
      for (const shared of ended) await inSlices(shared.end(), () => {});
      if (ended.length > 0) log.info({ operations: ended.length }, 'operations are not valid in the next supergraph');
      await nextFeeds.finish();
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/**
 * Creates the function that plans operations with the next supergraph. The function returns an Error if the operation
 * is invalid.
 */
function createReplanner(next: Federation) {
  const plans = new Map<string, ReturnType<Federation['planner']['plan']>>();
  return async (operation: Operation): Promise<Operation | Error> => {
    const { text, operationName, conditions, variant } = operation;
    const key = JSON.stringify([operationName, conditions, variant.key, text]);
    for (let attempt = 1; ; attempt += 1) {
      const planning = plans.get(key) ?? next.planner.plan({ text, operationName, conditions, variant });
      plans.set(key, planning);
      try {
        const { plan } = await planning;
        return { ...operation, plan, federation: next };
      } catch (error) {
        if (!isRetryable(error)) return error as Error;
        plans.delete(key);
        if (attempt === planAttempts) throw error;
      }
    }
  };
}

import type { Clock } from '@voucher-gateway/platform/async/clock';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type { GatewayContext } from '../context.ts';
import type { TopicSubscription } from './plan/plan-subscription.ts';
import { type CatchUp, openCatchUp } from './resume/catch-up.ts';
import { createStoredPageReader, type ReadStoredPage } from './resume/stored-page.ts';
import { unlessAborted } from './resume/unless-aborted.ts';
import type { SharedOperation } from './shared-operation.ts';
import type { TopicFeeds } from './topic-feeds.ts';

export interface MissedOptions {
  shared: SharedOperation;
  /**
   * Value of the subscriber's claim. The subscriber gets only messages whose field named by `@topic(match:)` equals it.
   */
  claimValue: string;
  /** The cursor after which the subscriber resumes. */
  after: string;
  context: GatewayContext;
  feeds: TopicFeeds;
  clock: Clock;
  log: Log;
}

/**
 * Opens the catch-up on the events that a subscriber has missed.
 *
 * @throws CodedError BAD_USER_INPUT for a field without stored events; the errors of `openCatchUp`
 */
export async function openMissed(options: MissedOptions): Promise<CatchUp> {
  const { shared, claimValue, after, context, feeds, clock, log } = options;
  const { planned } = shared;
  if (!planned.topicField?.replay)
    throw new CodedError<PublicErrorCode>(
      'BAD_USER_INPUT',
      `${planned.primary.field.name.value} can not be resumed: nothing is stored.`,
    );
  const { recent, scan } = feeds.get(planned.topicField.topic);
  // The cast is safe: after a reload, an operation still has its topic, or the operation has ended.
  const current = () => shared.planned as TopicSubscription;
  let reader: { planned: TopicSubscription; readStoredPage: ReadStoredPage } | null = null;
  const readStoredPage: ReadStoredPage = async (from, first) => {
    const planned = current();
    const { replay } = planned.topicField;
    if (!replay) throw new Error('a subscription lost its stored history');
    if (reader?.planned !== planned)
      reader = { planned, readStoredPage: createStoredPageReader({ planned, replay, claimValue, context, log }) };
    return reader.readStoredPage(from, first);
  };
  // Reading the topic may take long, and meanwhile the subscription counts against the user's quota. So the wait is
  // aborted when the client disconnects or completes the operation.
  const opening = openCatchUp({ planned: current, claimValue, recent, scan, clock, log, readStoredPage, after });
  return unlessAborted(context.signal, opening);
}

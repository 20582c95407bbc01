import type { DeliveryDetailsFragment, RequestStepName, VoucherRequestQuery } from '../graphql/generated.ts';
import type { Arrival } from '../live/live-context.tsx';
import type { Acknowledgement } from '../live/voucher-feed.ts';
import { formatDuration } from '../ui/duration.ts';
import { formatStatus } from '../ui/http-status.ts';
import { timeText } from '../ui/time-text.ts';

export type RequestDetails = NonNullable<VoucherRequestQuery['voucherRequest']>;

/** An entry of a request's timeline. */
export interface Entry {
  key: string;
  title: string;
  detail: string | null;
  /**
   * When the entry happened, in milliseconds since the epoch. For a pending entry, the latest time at which it is
   * expected.
   */
  at: number;
  state: 'done' | 'failed' | 'pending' | 'neutral';
  /** When the wait for a pending entry began. Default: the time of the previous entry. */
  since?: number;
  /** If true, a pending entry is expected exactly at `at`. Default: `at` or earlier. */
  isScheduled?: boolean;
  /** The beginning of a receiver's response. */
  response?: string | null;
}

const titles: Record<RequestStepName, [title: string, detail: string | null]> = {
  ACCEPTED: ['Request accepted', null],
  PROVIDER_ASKED: ['Provider asked', null],
  PROVIDER_ACKNOWLEDGED: ['Provider acknowledged', null],
  CODE_RECEIVED: ['Code received from the provider', null],
  FAILED: ['No voucher', null],
  STORED: ['Stored with your vouchers', null],
};

/**
 * Builds the timeline of a request from the server's data and the events that arrived in this browser. The oldest entry
 * is first, and pending entries are last.
 */
export function timelineOf(
  request: RequestDetails,
  arrival: Arrival | undefined,
  acknowledgement: Acknowledgement | undefined,
  now = Date.now(),
): Entry[] {
  const steps = stepsOf(request, arrival, acknowledgement);
  const entries: Entry[] = steps.map(({ name, at }) => ({
    key: name,
    title: name === 'STORED' && request.status === 'FAILED' ? 'Outcome stored' : titles[name][0],
    detail: titles[name][1],
    at: Date.parse(at),
    state: name === 'FAILED' ? 'failed' : 'done',
  }));
  if (arrival)
    entries.push({
      key: 'arrival',
      title: 'Shown on this page',
      detail: 'Over the WebSocket of this browser tab.',
      at: arrival.at,
      state: 'done',
    });
  for (const delivery of request.deliveries ?? [])
    entries.push(...attemptsOf(delivery), ...unsentOf(delivery, Date.parse(steps.at(-1)?.at ?? request.requestedAt)));
  entries.sort((one, other) => one.at - other.at);
  if (request.status === 'PENDING' && !arrival) entries.push(nextOfProvider(request, steps, now));
  entries.push(...(request.deliveries ?? []).flatMap(nextAttemptOf));
  return entries;
}

/** Returns the steps that the server has sent. Adds steps of newer events that have arrived in this browser. */
function stepsOf(
  { steps }: RequestDetails,
  arrival: Arrival | undefined,
  acknowledgement: Acknowledgement | undefined,
): RequestDetails['steps'] {
  const live: RequestDetails['steps'] = [];
  if (acknowledgement) {
    const { askedAt, acknowledgedAt } = acknowledgement;
    live.push({ name: 'PROVIDER_ASKED', at: askedAt }, { name: 'PROVIDER_ACKNOWLEDGED', at: acknowledgedAt });
  }
  if (arrival) live.push({ name: 'CODE_RECEIVED', at: arrival.voucher.receivedAt });
  return [...steps, ...live.filter(({ name }) => !steps.some((step) => step.name === name))];
}

function expectationOf(expectedAt: number, now: number): string {
  const time = timeText(expectedAt);
  return now < expectedAt
    ? 'A code that takes longer also comes by SMS.'
    : `It was expected by ${time}, so it also comes by SMS.`;
}

/**
 * Returns the entry for what a pending request waits for. Before the provider's first answer, the request waits for
 * this answer. After an acknowledgement, it waits for the code.
 */
function nextOfProvider(
  { requestedAt, expectedBy }: RequestDetails,
  steps: RequestDetails['steps'],
  now: number,
): Entry {
  if (steps.some(({ name }) => name === 'PROVIDER_ACKNOWLEDGED'))
    return {
      key: 'code',
      title: 'The provider is making your code',
      detail: expectationOf(Date.parse(expectedBy), now),
      at: Date.parse(expectedBy),
      since: Date.parse(requestedAt),
      state: 'pending',
    };
  return {
    key: 'provider',
    title: 'Waiting for the provider’s answer',
    detail: 'If the provider is away, the gateway asks it again until it answers.',
    at: Date.parse(requestedAt) + answerWithinMs,
    since: Date.parse(requestedAt),
    state: 'pending',
  };
}

/** Time within which the provider answers (`VPS_TIMEOUT`). */
const answerWithinMs = 3_000;

const channelNames = { CALLBACK: 'Callback', SMS: 'SMS' } as const;

function attemptsOf(delivery: DeliveryDetailsFragment): Entry[] {
  return delivery.attempts.map((attempt, index) => {
    const succeeded = attempt.error === null;
    const outcome = attempt.status === null ? attempt.error : `answered ${formatStatus(attempt.status)}`;
    const isSimulated = succeeded && delivery.status === 'SIMULATED';
    return {
      key: `${delivery.id}:${index}`,
      title: succeeded
        ? `${channelNames[delivery.channel]} ${outcomeOf(delivery)}, attempt ${index + 1}`
        : `${channelNames[delivery.channel]} attempt ${index + 1} failed`,
      detail: isSimulated
        ? 'In development none is sent.'
        : [delivery.url, outcome, `in ${formatDuration(attempt.durationMs)}`].filter(Boolean).join(' · '),
      at: Date.parse(attempt.at) + attempt.durationMs,
      state: isSimulated ? 'neutral' : succeeded ? 'done' : 'failed',
      response: attempt.response,
    };
  });
}

/** Returns the entry of a delivery that failed without an attempt, because its endpoint is disabled. */
function unsentOf({ id, channel, error, url }: DeliveryDetailsFragment, at: number): Entry[] {
  if (error === null) return [];
  const advice =
    error === 'ENDPOINT_DISABLED' ? 'Your server is switched off: see “Endpoints” under Callbacks.' : error;
  const detail = [url, advice].filter(Boolean).join(' · ');
  return [{ key: `${id}:unsent`, title: `${channelNames[channel]} not sent`, detail, at, state: 'failed' }];
}

function outcomeOf({ channel, status }: DeliveryDetailsFragment): string {
  if (status === 'SIMULATED') return 'simulated';
  return channel === 'SMS' && status === 'PENDING' ? 'accepted by the SMS provider' : 'delivered';
}

function nextAttemptOf({ id, channel, status, nextAttemptAt, attempts }: DeliveryDetailsFragment): Entry[] {
  if (status !== 'PENDING') return [];
  return [
    {
      key: `${id}:next`,
      title:
        attempts.length === 0
          ? `${channelNames[channel]} is being sent`
          : `Next ${channel === 'SMS' ? 'SMS' : 'callback'} attempt`,
      detail: null,
      at: nextAttemptAt === null ? Date.now() : Date.parse(nextAttemptAt),
      state: 'pending',
      isScheduled: nextAttemptAt !== null && attempts.length > 0,
    },
  ];
}

/**
 * Longest time for which the page waits for the next attempt of a delivery. If the attempt is due later, the user must
 * reload the page to see the attempt.
 */
const longestWaitMs = 120_000;

/**
 * Returns how soon a request has to be read again, in milliseconds. Null if an event will announce the next change, or
 * if no change follows. Reads must end, because each read extends the session: a page that is left open would never be
 * signed out.
 */
export function refreshMs(request: RequestDetails, now: number, isLive: boolean): number | null {
  if (request.status === 'PENDING') {
    if (!isLive) return 5_000;
    // When a request becomes late, its message changes. No event reports this.
    const leftMs = Date.parse(request.expectedBy) - now;
    return leftMs > 0 ? leftMs + 100 : null;
  }
  const due = (request.deliveries ?? [])
    .filter(({ status }) => status === 'PENDING')
    .map(({ nextAttemptAt }) => (nextAttemptAt === null ? now : Date.parse(nextAttemptAt)) - now);
  const nextMs = Math.min(...due);
  if (due.length > 0) return nextMs < longestWaitMs ? Math.max(1_000, nextMs) : null;
  // The delivery service creates the deliveries a moment after the outcome is stored. Until then there are none.
  const endedAt = Math.max(...request.steps.map(({ at }) => Date.parse(at)));
  return now - endedAt < 5_000 ? 1_000 : null;
}

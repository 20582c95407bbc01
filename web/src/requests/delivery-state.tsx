import type { DeliveryDetailsFragment } from '../graphql/generated.ts';

export type DeliverySummary = Pick<DeliveryDetailsFragment, 'id' | 'channel' | 'status'> & {
  attempts: readonly Pick<DeliveryDetailsFragment['attempts'][number], 'error'>[];
};

/** Whether the last attempt failed and another attempt follows automatically. */
export function isRetrying({ status, attempts }: DeliverySummary): boolean {
  return status === 'PENDING' && (attempts.at(-1)?.error ?? null) !== null;
}

/** Whether the delivery is a callback whose last attempt failed, with or without further retries. */
export function isFailingCallback(delivery: DeliverySummary): boolean {
  return delivery.channel === 'CALLBACK' && (delivery.status === 'FAILED' || isRetrying(delivery));
}

const channelNames = { CALLBACK: 'Callback', SMS: 'SMS' } as const;
const states = {
  DELIVERED: ['delivered', 'done'],
  SIMULATED: ['simulated', 'neutral'],
  PENDING: ['being sent', 'pending'],
  RETRYING: ['retrying', 'pending'],
  FAILED: ['failed', 'failed'],
} as const;

/** The state of a delivery, in the same words everywhere. */
export function DeliveryChip({ delivery }: { delivery: DeliverySummary }) {
  const [text, kind] = states[isRetrying(delivery) ? 'RETRYING' : delivery.status];
  return (
    <span className={`chip ${kind}`}>
      {channelNames[delivery.channel]} {text}
    </span>
  );
}

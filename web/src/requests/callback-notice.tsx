import type { ReactNode } from 'react';
import type { DeliveryDetailsFragment } from '../graphql/generated.ts';
import { formatStatus } from '../ui/http-status.ts';
import { timeText } from '../ui/time-text.ts';
import { isRetrying } from './delivery-state.tsx';

/**
 * Shows a notice beside the code that the callback failed. The notice also says whether the callback is sent again
 * automatically.
 */
export function CallbackNotice({ delivery, children }: { delivery: DeliveryDetailsFragment; children: ReactNode }) {
  const retrying = isRetrying(delivery);
  return (
    <div className={`notice ${retrying ? 'pending' : 'failed'} callback-notice`} role="status">
      <p>
        <strong>{retrying ? 'Callback retrying.' : 'Callback failed.'}</strong> {reasonOf(delivery)} {nextOf(delivery)}
      </p>
      {children}
    </div>
  );
}

function reasonOf({ error, attempts }: DeliveryDetailsFragment): string {
  if (error === 'ENDPOINT_DISABLED') return 'Your server is switched off: see “Endpoints” under Callbacks.';
  const last = attempts.at(-1);
  if (!last) return error ?? '';
  return last.status === null
    ? `Your server did not answer (${last.error}).`
    : `Your server answered ${formatStatus(last.status)}.`;
}

function nextOf({ status, nextAttemptAt }: DeliveryDetailsFragment): string {
  if (status === 'FAILED') return 'It is not sent again by itself.';
  return nextAttemptAt === null ? 'It is being sent again.' : `Next attempt at ${timeText(Date.parse(nextAttemptAt))}.`;
}

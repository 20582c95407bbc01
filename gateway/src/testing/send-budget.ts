import { EventEmitter, once } from 'node:events';
import type { Log } from '@voucher-gateway/platform/process/log';
import { createSendBudget, type SendBudget } from '../transports/backpressure.ts';

/** A send budget whose changes a test can await. */
export interface TestSendBudget extends SendBudget {
  /** Resolves once the condition is met. The condition is checked after each change of the budget. */
  until(isMet: (waitingBytes: number) => boolean): Promise<void>;
}

export function createTestSendBudget(maxBytes: number, log: Log): TestSendBudget {
  const budget = createSendBudget(maxBytes, log);
  const changes = new EventEmitter();
  return {
    get waitingBytes() {
      return budget.waitingBytes;
    },
    note(consumer, waitingBytes) {
      budget.note(consumer, waitingBytes);
      changes.emit('change');
    },
    async until(isMet) {
      while (!isMet(budget.waitingBytes)) await once(changes, 'change');
    },
  };
}

import type { Log } from '@voucher-gateway/platform/log';
import type { OpenConnections } from './open-connections.ts';
import type { Operations } from './operations/operations.ts';
import type { SessionGate } from './session-gate.ts';
import type { Subscriptions } from './subscriptions/subscribe.ts';

/** What a transport of long-lived connections runs operations with. */
export interface OperationServices {
  subscriptions: Subscriptions;
  operations: Operations;
  gate: SessionGate;
  /** Where each connection is counted, and closed in the drain. */
  connections: OpenConnections;
  log: Log;
}

import type { Log } from '@voucher-gateway/platform/process/log';
import type { Operations } from '../operations/operations.ts';
import type { SessionGate } from '../sessions/session-gate.ts';
import type { Subscriptions } from '../subscriptions/subscriptions.ts';
import type { OpenConnections } from './connections.ts';

/** The services that transports of long-lived connections need. */
export interface OperationServices {
  subscriptions: Subscriptions;
  operations: Operations;
  gate: SessionGate;
  /** Counts all connections, and closes them during the drain. */
  connections: OpenConnections;
  log: Log;
}

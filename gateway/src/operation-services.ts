import type { Log } from '@voucher-gateway/platform/log';
import type { Federation } from './federation.ts';
import type { OpenConnections } from './open-connections.ts';
import type { createPrepareOperation } from './prepare-operation.ts';
import type { SessionGate } from './session-gate.ts';
import type { Subscriptions } from './subscriptions/subscribe.ts';

/** What a transport of long-lived connections runs operations with. */
export interface OperationServices {
  federation: Federation;
  subscriptions: Subscriptions;
  prepareOperation: ReturnType<typeof createPrepareOperation>;
  gate: SessionGate;
  /** Where each connection is counted, and closed in the drain. */
  connections: OpenConnections;
  log: Log;
}

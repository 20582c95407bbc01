import type { GatewayConfig } from '../config.ts';
import type { SubgraphCallLimits } from './subgraph-client.ts';

/** Reads the limits of calls to subgraphs from the settings. */
export function callLimitsOf(config: GatewayConfig): SubgraphCallLimits {
  return {
    timeoutMs: config.SUBGRAPH_TIMEOUT,
    waitTimeoutMs: config.SUBGRAPH_QUEUE_TIMEOUT,
    maxRunning: config.SUBGRAPH_CONNECTIONS,
    maxWaiting: config.SUBGRAPH_QUEUE,
    maxWaitingBytes: config.SUBGRAPH_QUEUE_BYTES,
    maxAnswerBytes: config.MAX_SUBGRAPH_ANSWER_BYTES,
    retries: config.SUBGRAPH_RETRIES,
    breakAfter: config.SUBGRAPH_BREAK_AFTER,
  };
}

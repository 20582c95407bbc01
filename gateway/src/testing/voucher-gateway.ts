import type { Environment } from '@voucher-gateway/platform/process/config';
import { subgraphNames, supergraphSdl } from '@voucher-gateway/schema/sdl';
import { startTestGateway } from './gateway.ts';

/** A gateway with the voucher supergraph, for its pages: its subgraphs are away. */
export function startVoucherGateway(environment: Environment = {}) {
  return startTestGateway({
    environment,
    supergraphSdl: supergraphSdl(),
    subgraphUrls: Object.fromEntries(subgraphNames.map((name) => [name, 'http://127.0.0.1:1/graphql'])),
  });
}

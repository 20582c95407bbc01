import type { Environment } from '@voucher-gateway/platform/process/config';
import { subgraphNames, supergraphSdl } from '@voucher-gateway/schema/sdl';
import { startTestGateway } from './gateway.ts';

/** Starts a gateway with the voucher supergraph, to test its pages. Its subgraphs can't be reached. */
export function startVoucherGateway(environment: Environment = {}) {
  return startTestGateway({
    environment,
    supergraphSdl: supergraphSdl(),
    subgraphUrls: Object.fromEntries(subgraphNames.map((name) => [name, 'http://127.0.0.1:1/graphql'])),
  });
}

import { createTemporaryStack } from '@voucher-gateway/standalone/temporary-stack';

/** Everything that runs, as its users reach it. */
export interface System extends AsyncDisposable {
  readonly gatewayUrl: string;
  readonly vpsUrl: string;
  readonly integrationUrl: string;
}

/** Boots the whole product on free ports with data of its own. `environment` sets what it is told. */
export function startSystem(environment: Record<string, string> = {}): Promise<System> {
  return createTemporaryStack({ environment });
}

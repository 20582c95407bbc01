import { assertPortFree } from '@voucher-gateway/platform/http/listen';
import type { StandaloneConfig } from './config.ts';

/** @throws CodedError PORT_TAKEN, naming the setting */
export async function assertPortsFree(config: StandaloneConfig): Promise<void> {
  const settings = ['GATEWAY_PORT', 'INTEGRATION_PORT', ...(config.VPS_URL ? [] : ['VPS_PORT' as const])] as const;
  for (const setting of settings) await assertPortFree({ host: config.HOST, port: config[setting], setting });
}

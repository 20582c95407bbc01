import { readConfig } from '@voucher-gateway/platform/process/config';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { gatewaySettings } from '../../config.ts';
import type { GatewayContext } from '../../context.ts';
import { createOperations, type OperationsOptions } from '../../operations/operations.ts';

/** Creates the pipeline of operations with default limits and introspection. */
export function createTestOperations({
  federation,
  ...options
}: Pick<OperationsOptions, 'federation'> & Partial<OperationsOptions>) {
  return createOperations({
    federation,
    limits: readConfig(gatewaySettings, { JWKS_URL: 'http://127.0.0.1/unused' }),
    introspection: true,
    largeOperationsShare: 0.25,
    log: silentLog,
    ...options,
  });
}

/** The context of a client that has not signed in. */
export const anonymous: GatewayContext = {
  identity: null,
  refusal: null,
  authorization: null,
  requestId: 'test',
  clientAddress: '127.0.0.1',
  signal: new AbortController().signal,
};

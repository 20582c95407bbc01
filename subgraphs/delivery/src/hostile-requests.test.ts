import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { openHarness } from './testing/rig.ts';

httpServerContract(
  async (environment) => {
    const harness = await openHarness({ environment });
    return { url: harness.service.url, log: harness.log, [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
  },
  ['/graphql'],
);

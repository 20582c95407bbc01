import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { openRig } from './testing/rig.ts';

httpServerContract(
  async (environment) => {
    const rig = await openRig({ environment });
    return { url: rig.service.url, log: rig.log, [Symbol.asyncDispose]: () => rig[Symbol.asyncDispose]() };
  },
  ['/graphql'],
);

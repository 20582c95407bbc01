import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { openDeliveryHarness } from './testing/delivery-harness.ts';

httpServerContract((environment) => openDeliveryHarness({ environment }), ['/graphql']);

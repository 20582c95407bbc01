import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { startTestGateway } from './testing/gateway.ts';

httpServerContract(startTestGateway, ['/graphql', '/user/sign-in', '/voucher']);

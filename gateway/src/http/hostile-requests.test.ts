import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { startTestGateway } from '../testing/gateway.ts';

httpServerContract((environment) => startTestGateway({ environment }), ['/graphql', '/user/sign-in', '/voucher']);

import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { startTestUserService } from './testing/user-service.ts';

httpServerContract((environment) => startTestUserService({ environment }), ['/graphql']);

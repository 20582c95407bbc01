import { httpServerContract } from '@voucher-gateway/platform/testing/contract/http-server';
import { startTestVoucherService } from './testing/voucher-service.ts';

httpServerContract((settings) => startTestVoucherService({ settings }), ['/graphql']);

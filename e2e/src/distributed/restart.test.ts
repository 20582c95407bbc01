import { hasRealEngines } from '@voucher-gateway/platform/testing/real-engines';
import { describe } from 'vitest';
import { restartSuite } from '../suites/restart.ts';
import { installDistributed } from './system.ts';

describe.runIf(hasRealEngines())('on PostgreSQL, Redis and Kafka, a process a service', () =>
  restartSuite(installDistributed),
);

import { hasRealEngines } from '@voucher-gateway/platform/testing/real-engines';
import { describe } from 'vitest';
import { restSuite } from '../suites/rest.ts';
import { startDistributed } from './system.ts';

describe.runIf(hasRealEngines())('on PostgreSQL, Redis and Kafka, a process a service', () =>
  restSuite(startDistributed),
);

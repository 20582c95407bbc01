import { describe } from 'vitest';
import { flowSuite } from '../suites/flow.ts';
import { startDistributed } from './system.ts';

describe('on PostgreSQL, Redis and Kafka, one process per service', () => flowSuite(startDistributed));

import { describe } from 'vitest';
import { failuresSuite } from '../suites/failures.ts';
import { startDistributed } from './system.ts';

describe('on PostgreSQL, Redis and Kafka, one process per service', () => failuresSuite(startDistributed));

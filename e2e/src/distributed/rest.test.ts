import { describe } from 'vitest';
import { restSuite } from '../suites/rest.ts';
import { startDistributed } from './system.ts';

describe('on PostgreSQL, Redis and Kafka, one process per service', () => restSuite(startDistributed));

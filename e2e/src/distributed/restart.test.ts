import { describe } from 'vitest';
import { restartSuite } from '../suites/restart.ts';
import { installDistributed } from './system.ts';

describe('on PostgreSQL, Redis and Kafka, one process per service', () => restartSuite(installDistributed));

import { describe } from 'vitest';
import { failuresSuite } from '../suites/failures.ts';
import { startEmbedded } from './system.ts';

describe('on embedded engines, in one process', () => failuresSuite(startEmbedded));

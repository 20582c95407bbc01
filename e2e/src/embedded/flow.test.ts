import { describe } from 'vitest';
import { flowSuite } from '../suites/flow.ts';
import { startEmbedded } from './system.ts';

describe('on embedded engines, in one process', () => flowSuite(startEmbedded));

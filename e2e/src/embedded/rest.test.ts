import { describe } from 'vitest';
import { restSuite } from '../suites/rest.ts';
import { startEmbedded } from './system.ts';

describe('on embedded engines, in one process', () => restSuite(startEmbedded));

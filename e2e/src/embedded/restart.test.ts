import { describe } from 'vitest';
import { restartSuite } from '../suites/restart.ts';
import { installEmbedded } from './system.ts';

describe('on embedded engines, in one process', () => restartSuite(installEmbedded));

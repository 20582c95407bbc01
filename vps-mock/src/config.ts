import { commonSettings, oneOf, port, serviceSettings } from '@voucher-gateway/platform/process/config';
import { z } from 'zod';
import { profileNames } from './profiles.ts';

/** Settings of the simulated provider. */
export const vpsMockSettings = z.object({
  ...commonSettings,
  PORT: port(8081).describe('Port to listen on'),
  VPS_PROFILE: oneOf(profileNames, 'mixed').describe('Profile of the delays of the simulated provider'),
  VPS_SEED: z
    .string()
    .default('voucher')
    .describe('Seed of the simulated provider: equal seeds and keys give equal codes and delays'),
  VPS_STATE_FILE: z
    .string()
    .optional()
    .describe('File in which the simulated provider keeps its orders over a restart'),
});

/** Settings of the simulated provider as a separate process. */
export const vpsMockProcessSettings = z.object({ ...vpsMockSettings.shape, ...serviceSettings });

import { commonSettings, oneOf, port, serviceSettings } from '@voucher-gateway/platform/config';
import { z } from 'zod';
import { profileNames } from './profiles.ts';

/** Settings of the simulated provider. */
export const vpsMockSettings = z.object({
  ...commonSettings,
  PORT: port(8081).describe('Port to listen on'),
  VPS_PROFILE: oneOf(profileNames, 'mixed').describe('How long the simulated provider takes'),
  VPS_SEED: z
    .string()
    .default('voucher')
    .describe('Seed of the simulated provider: the same seed and key give the same code and delay'),
  VPS_STATE_FILE: z.string().optional().describe('File that keeps what the simulated provider owes over a restart'),
});

/** Settings of a process of its own. */
export const vpsMockProcessSettings = z.object({ ...vpsMockSettings.shape, ...serviceSettings });

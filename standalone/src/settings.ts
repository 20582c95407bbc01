import { gatewayProcessSettings } from '@voucher-gateway/gateway/process-settings';
import { databaseSettings, keyValueSettings, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import { serviceSettings } from '@voucher-gateway/platform/process/config';
import { subgraphNames } from '@voucher-gateway/schema/sdl';
import { deliveryProcessSettings } from '@voucher-gateway/subgraph-delivery/config';
import { userProcessSettings } from '@voucher-gateway/subgraph-user/config';
import { voucherProcessSettings } from '@voucher-gateway/subgraph-voucher/config';
import { integrationProcessSettings } from '@voucher-gateway/voucher-integration/config';
import { vpsMockProcessSettings } from '@voucher-gateway/vps-mock/config';
import { z } from 'zod';
import { standaloneSettings } from './config.ts';
import type { ServiceName } from './distributed.ts';

/** The settings of each service as a separate process, by name. */
export const processSettings: Readonly<Record<ServiceName, z.ZodObject>> = {
  gateway: gatewayProcessSettings(subgraphNames),
  user: userProcessSettings,
  voucher: voucherProcessSettings,
  delivery: deliveryProcessSettings,
  'voucher-integration': integrationProcessSettings,
  'vps-mock': vpsMockProcessSettings,
};
const engineSettings = z.object({
  NODE_ENV: serviceSettings.NODE_ENV,
  ...databaseSettings,
  ...keyValueSettings,
  ...topicsSettings,
});

export interface Setting {
  name: string;
  description: string;
  /** The default as written in the environment; null if there is none. */
  fallback: string | null;
  isRequired: boolean;
}

/** Lists the settings of a schema. */
export function settingsOf(schema: z.ZodObject): Setting[] {
  return Object.entries(schema.shape).map(([name, type]) => ({
    name,
    description: (type as z.ZodType).description ?? '',
    fallback: fallbackOf(type as z.ZodType),
    isRequired: !(type as z.ZodType).safeParse(undefined).success,
  }));
}

function fallbackOf(type: z.ZodType): string | null {
  const { def } = type as unknown as { def: { type: string; in?: z.ZodType; defaultValue?: unknown } };
  if (def.type === 'pipe' && def.in) return fallbackOf(def.in);
  return def.type === 'default' ? String(def.defaultValue) : null;
}

/** The text of `.env.example`, from the schemas. */
export function envExample(): string {
  const lines = [
    '# Copy to .env and take the # away from what you want to change. Each line shows the default; a line without',
    '# a value has none. Durations: 500ms, 3s, 10m, 12h, 7d. npm run compose:settings writes this file.',
    '',
    '# --- npm start ---',
    ...settingsOf(standaloneSettings).flatMap(settingLines),
  ];
  lines.push(
    '',
    '# --- the engines, where each service is a process of its own (npm run engines prints their URLs) ---',
    ...settingsOf(engineSettings).flatMap(settingLines),
  );
  for (const [service, schema] of Object.entries(processSettings)) {
    const known = { ...standaloneSettings.shape, ...engineSettings.shape };
    const own = settingsOf(schema).filter(({ name }) => !(name in known));
    if (own.length > 0) lines.push('', `# --- ${service}, as a process of its own ---`, ...own.flatMap(settingLines));
  }
  return `${lines.join('\n')}\n`;
}

function settingLines({ name, description, fallback, isRequired }: Setting): string[] {
  return ['', `# ${description}.${isRequired ? ' Required.' : ''}`, `#${name}=${fallback ?? ''}`];
}

import { gatewaySettings } from '@voucher-gateway/gateway/config';
import { commonSettings, httpUrl, port } from '@voucher-gateway/platform/process/config';
import { embeddedSecretsSettings } from '@voucher-gateway/platform/secrets/settings';
import { consumerSettings } from '@voucher-gateway/platform/topics/consumer-limits';
import { deliveriesOutliveTopics, deliverySettings, requireSms } from '@voucher-gateway/subgraph-delivery/config';
import { idleWithinMax, userSettings } from '@voucher-gateway/subgraph-user/config';
import { voucherSettings } from '@voucher-gateway/subgraph-voucher/config';
import { integrationSettings, providerRequestsOutliveTopics } from '@voucher-gateway/voucher-integration/config';
import { vpsMockSettings } from '@voucher-gateway/vps-mock/config';
import { z } from 'zod';

/** Settings of services that `npm start` sets itself, such as their addresses. Users can't set them. */
const filledIn = [
  'PORT',
  'VPS_STATE_FILE',
  'JWKS_URL',
  'WEBHOOKS_JWKS_URL',
  'INTEGRATION_PUBLIC_URL',
  'SUBGRAPH_USER_URL',
  'SUBGRAPH_VOUCHER_URL',
  'SUBGRAPH_DELIVERY_URL',
] as const;

/** The settings of `npm start`: its ports, and the other settings of all services. */
export const standaloneSettings = z
  .object({
    ...without(gatewaySettings.shape),
    ...without(userSettings.shape),
    ...without(voucherSettings.shape),
    ...without(deliverySettings.shape),
    ...without(integrationSettings.shape),
    ...without(vpsMockSettings.shape),
    ...commonSettings,
    ...consumerSettings,
    ...embeddedSecretsSettings,
    DATA_DIR: z.string().default('.data').describe('Folder of the embedded database'),
    GATEWAY_PORT: port(8080).describe('Port of the gateway'),
    VPS_PORT: port(8081).describe('Port of the simulated provider'),
    INTEGRATION_PORT: port(8082).describe("Port for the provider's callbacks"),
    DELIVERY_PORT: port(0).describe(
      "Port of delivery on this machine, for Twilio's status callbacks; 0 is any free one. Required for DELIVERY_PUBLIC_URL",
    ),
    VPS_URL: httpUrl().optional().describe('Base URL of a provider; with it, the simulated provider is not started'),
    INTEGRATION_PUBLIC_URL: httpUrl()
      .optional()
      .describe('Base URL at which the provider reaches voucher-integration. Default: its own address'),
  })
  .refine(...idleWithinMax)
  .refine(...deliveriesOutliveTopics)
  .refine(...providerRequestsOutliveTopics)
  .superRefine(requireSms)
  .refine(({ DELIVERY_PUBLIC_URL, DELIVERY_PORT }) => DELIVERY_PUBLIC_URL === undefined || DELIVERY_PORT > 0, {
    path: ['DELIVERY_PORT'],
    message: 'must be set for DELIVERY_PUBLIC_URL',
  });

export type StandaloneConfig = Readonly<z.output<typeof standaloneSettings>>;

function without<Shape extends z.core.$ZodLooseShape>(shape: Shape): Omit<Shape, (typeof filledIn)[number]> {
  return Object.fromEntries(
    Object.entries(shape).filter(([name]) => !(filledIn as readonly string[]).includes(name)),
  ) as never;
}

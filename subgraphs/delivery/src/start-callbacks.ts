import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { createNameResolver } from '@voucher-gateway/platform/egress/name-resolver';
import { callbackUrlPolicy } from '@voucher-gateway/platform/egress/settings';
import type { UrlPolicy } from '@voucher-gateway/platform/egress/url-policy';
import { createSigningKeys, type SigningKeys } from '@voucher-gateway/platform/identity/signing-keys';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import { type CallbackSecrets, createCallbackSecrets } from './channels/callback/secrets.ts';
import { type CallbackSender, createCallbackSender } from './channels/callback/send.ts';
import type { DeliveryConfig } from './config.ts';
import { signingKey } from './tables.ts';

/** The sender of callbacks, with its secrets, keys and URL policy. */
export interface Callbacks {
  sender: CallbackSender;
  /** The secrets of users. */
  secrets: CallbackSecrets;
  /** The service's signing keys. */
  keys: SigningKeys;
  policy: UrlPolicy;
}

/**
 * Maximum time-out of a DNS query. If a third of CALLBACK_TIMEOUT is shorter, the third is used. After a query that
 * times out, a second query checks whether the name servers fail. So both queries end within CALLBACK_TIMEOUT.
 */
const maxLookupMs = 5_000;

/**
 * Creates the sender of callbacks with its keys, secrets and name servers, as configured.
 *
 * @param releases gets everything that has to be closed when the service stops
 */
export async function startCallbacks({
  config,
  database,
  box,
  clock,
  log,
  releases,
}: {
  config: DeliveryConfig;
  database: Database;
  /** Encrypts secrets in the database. */
  box: SecretBox;
  clock: Clock;
  log: Log;
  releases: Pick<AsyncDisposableStack, 'use'>;
}): Promise<Callbacks> {
  const timeoutMs = config.CALLBACK_TIMEOUT;
  const policy = callbackUrlPolicy(config);
  const secrets = createCallbackSecrets({ database, box, oldSecretSignsMs: config.OLD_SECRET_RETENTION, log });
  const keys = releases.use(
    await createSigningKeys({
      database,
      table: signingKey,
      secrets: box,
      clock,
      log,
      rotateAfterMs: config.CALLBACK_KEY_ROTATION,
      publishAfterMs: config.OLD_SECRET_RETENTION,
    }),
  );
  const resolver = releases.use(
    createNameResolver({ servers: config.CALLBACK_DNS_SERVERS, timeoutMs: Math.min(maxLookupMs, timeoutMs / 3) }),
  );
  const sender = releases.use(
    createCallbackSender({
      clock,
      now: () => database.now(),
      timeoutMs,
      policy,
      resolver,
      keys,
      proxyUrl: config.CALLBACK_PROXY,
      log,
    }),
  );
  return { sender, secrets, keys, policy };
}

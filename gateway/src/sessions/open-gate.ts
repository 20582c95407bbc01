import type { Clock } from '@voucher-gateway/platform/async/clock';
import { createForeignTokenVerifier } from '@voucher-gateway/platform/identity/foreign-tokens';
import { createRemoteKeys } from '@voucher-gateway/platform/identity/remote-keys';
import { createTokenVerifier } from '@voucher-gateway/platform/identity/token-verifier';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { Topics } from '@voucher-gateway/platform/topics';
import type { GatewayConfig } from '../config.ts';
import { createSessionGate, type SessionGate } from './session-gate.ts';
import { createTokenGate } from './token-gate.ts';

export interface OpenGateOptions {
  config: Pick<GatewayConfig, 'JWKS_URL' | 'JWT_ISSUER' | 'JWT_AUDIENCE' | 'SESSION_IDLE'>;
  /** The session store; null if tokens have no sessions. */
  keyValue: KeyValue | null;
  topics: Topics;
  clock: Clock;
  log: Log;
}

/**
 * Opens the gate that checks tokens and sessions. Without a session store, the gate checks only tokens. Disposing also
 * closes the HTTP client that fetches the public keys.
 */
export async function openGate({ config, keyValue, topics, clock, log }: OpenGateOptions): Promise<SessionGate> {
  const { JWKS_URL: url, JWT_ISSUER: issuer, JWT_AUDIENCE: audience, SESSION_IDLE: idleMs } = config;
  if (!keyValue)
    return createTokenGate({
      verify: url === undefined ? null : createForeignTokenVerifier({ url, issuer, audience, now: clock.now }),
      clock,
    });
  if (url === undefined || issuer === undefined || audience === undefined)
    throw new Error('JWKS_URL, JWT_ISSUER and JWT_AUDIENCE are needed for sessions');
  await using releases = new AsyncDisposableStack();
  const keys = releases.use(createRemoteKeys({ url, log }));
  const verify = createTokenVerifier({ keys: keys.find, issuer, audience, now: clock.now });
  const gate = releases.use(await createSessionGate({ verify, keys, keyValue, topics, clock, log, idleMs }));
  const owned = releases.move();
  return { ...gate, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

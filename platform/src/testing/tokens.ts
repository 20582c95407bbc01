import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface TestUser {
  userId: string;
  phoneNumber: string;
  sid: string;
  /** A token that is valid for an hour of the machine's time, unless the claims set another expiry. */
  token: string;
}

/** An issuer of tokens, with its keys at a URL. */
export interface TestIssuer extends AsyncDisposable {
  readonly jwksUrl: string;
  readonly kid: string;
  /** Creates a user with a token; `claims` override the defaults. */
  user(over?: {
    userId?: string;
    phoneNumber?: string;
    claims?: Record<string, unknown>;
    now?: number;
  }): Promise<TestUser>;
}

let phones = 10_000_000;

export async function startIssuer({
  issuer = 'voucher-gateway',
  audience = 'voucher-gateway',
} = {}): Promise<TestIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('Ed25519');
  const kid = randomUUID();
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'EdDSA', use: 'sig' }] });
  const server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(jwks));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    kid,
    async user({ userId = randomUUID(), phoneNumber = `+849${phones++}`, claims = {}, now = Date.now() } = {}) {
      const sid = randomUUID();
      const at = Math.floor(now / 1_000);
      const token = await new SignJWT({
        iss: issuer,
        aud: audience,
        sub: userId,
        sid,
        phone_number: phoneNumber,
        iat: at,
        exp: at + 3_600,
        ...claims,
      })
        .setProtectedHeader({ alg: 'EdDSA', kid })
        .sign(privateKey);
      return { userId, phoneNumber, sid, token };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultAudience, defaultIssuer } from '@voucher-gateway/schema/session';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface IdentityProvider extends AsyncDisposable {
  jwksUrl: string;
  /** Returns an authorization header for a user. */
  signIn(userId: string): Promise<string>;
}

/** Starts a server that signs tokens as the user service does, and serves its public key. */
export async function openIdentityProvider(): Promise<IdentityProvider> {
  const { publicKey, privateKey } = await generateKeyPair('Ed25519');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'test', alg: 'EdDSA' }];
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    async signIn(userId) {
      const token = await new SignJWT({ sid: 'session', phone_number: '+84909123456' })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
        .setSubject(userId)
        .setIssuer(defaultIssuer)
        .setAudience(defaultAudience)
        .setExpirationTime('1h')
        .sign(privateKey);
      return `Bearer ${token}`;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

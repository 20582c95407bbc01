import { createSecretBox, type SecretBox } from '../secrets/secret-box.ts';

/** Creates a SecretBox with one key for each argument. Each key repeats its byte 32 times. Default: one key. */
export function createTestSecrets(...bytes: number[]): SecretBox {
  const [first = 1, ...others] = bytes;
  return createSecretBox([Buffer.alloc(32, first), ...others.map((byte) => Buffer.alloc(32, byte))]);
}

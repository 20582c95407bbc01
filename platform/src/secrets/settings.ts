import { z } from 'zod';
import { listItems } from '../process/config.ts';
import type { Log } from '../process/log.ts';
import { createPlainBox, createSecretBox, parseKey, type SecretBox } from './secret-box.ts';

type Keys = readonly [Buffer, ...Buffer[]];

/** Defines a setting of keys, such as `<base64>` or `<base64>,<older>`. */
export function secretKeys() {
  return z.string().transform((text, context): Keys => {
    const [first, ...others] = listItems(text).map(parseKey);
    if (first && others.every((key) => key !== null)) return [first, ...others];
    context.addIssue({
      code: 'custom',
      message: 'must be keys of 32 bytes as base64, comma-separated, such as openssl rand -base64 32 prints',
    });
    return z.NEVER;
  });
}

const description =
  'Key that encrypts secrets in the database, 32 bytes as base64, as `openssl rand -base64 32` prints it. After a comma, older keys that still decrypt';

/** Settings of a service with secrets that runs in a separate process. */
export const secretsSettings = {
  SECRETS_KEY: secretKeys()
    .optional()
    .describe(`${description}. Without it secrets are stored in plain text, and the log warns`),
};

/** The same settings for `npm start`, where all services run in one process. */
export const embeddedSecretsSettings = {
  SECRETS_KEY: secretKeys().optional().describe(`${description}. By default one is created in DATA_DIR`),
};

/** Creates a SecretBox with these keys. Without keys, logs a warning and creates a SecretBox that does not encrypt. */
export function openSecretBox(keys: Keys | undefined, log: Log): SecretBox {
  if (keys) return createSecretBox(keys);
  log.warn({}, 'SECRETS_KEY is not set: secrets are stored in plain text in the database');
  return createPlainBox();
}

import type { Database } from '@voucher-gateway/platform/database';
import { openKeyFile, readKeyFile } from '@voucher-gateway/platform/secrets/key-file';
import { isAnySealed } from '@voucher-gateway/platform/secrets/sealed-columns';
import { createSecretBox, type SecretBox } from '@voucher-gateway/platform/secrets/secret-box';
import { userMigrations } from '@voucher-gateway/subgraph-user/migrations';
import { userSecrets } from '@voucher-gateway/subgraph-user/tables';
import type { StandaloneConfig } from './config.ts';

/**
 * Creates the `SecretBox` that encrypts secrets in the database of `npm start`.
 *
 * - If SECRETS_KEY is set, the box encrypts with this key. It can also decrypt secrets that were encrypted with the key
 *   file in DATA_DIR.
 * - Without SECRETS_KEY, the box uses the key file in DATA_DIR. The file is created if the database has no secrets yet.
 *
 * @throws CodedError SECRETS_KEY_WRONG
 */
export async function openEmbeddedSecrets(
  { SECRETS_KEY, DATA_DIR }: Pick<StandaloneConfig, 'SECRETS_KEY' | 'DATA_DIR'>,
  database: Database,
): Promise<SecretBox> {
  if (SECRETS_KEY) {
    const older = await readKeyFile(DATA_DIR);
    return createSecretBox(older ? [...SECRETS_KEY, older] : SECRETS_KEY);
  }
  const isNeeded = async () => {
    await database.migrate(userMigrations);
    return isAnySealed(database, userSecrets);
  };
  return createSecretBox([await openKeyFile(DATA_DIR, isNeeded)]);
}

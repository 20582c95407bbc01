import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, readConfig } from '@voucher-gateway/platform/process/config';
import { standaloneSettings } from './config.ts';
import { createStack, type Stack } from './stack.ts';

/** Starts a temporary stack on free ports. Disposing deletes its data. */
export async function createTemporaryStack({
  say = () => {},
  environment = {},
  dataFrom,
}: {
  say?(line: string): void;
  environment?: Environment;
  /** A data folder to copy. Default: a new database is created, which takes seconds. */
  dataFrom?: string;
} = {}): Promise<Stack> {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  if (dataFrom !== undefined) await cp(dataFrom, folder, { recursive: true });
  const config = readConfig(standaloneSettings, {
    GATEWAY_PORT: '0',
    VPS_PORT: '0',
    INTEGRATION_PORT: '0',
    LOG_LEVEL: 'silent',
    DATA_DIR: folder,
    ...environment,
  });
  const stack = releases.use(
    await createStack({ config, onReady: (part, detail) => say(`  ready: ${part} (${detail})`) }),
  );
  const owned = releases.move();
  return { ...stack, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

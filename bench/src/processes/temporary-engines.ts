import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engines, startEngines } from '@voucher-gateway/standalone/engines/engines';

export interface TemporaryEngines extends Engines {
  /** The folder with the engines' data. A benchmark may add files. */
  readonly folder: string;
}

/**
 * Starts PostgreSQL, Redis and Kafka on free ports, in a temporary folder. Disposing stops them and deletes the folder.
 */
export async function startTemporaryEngines(): Promise<TemporaryEngines> {
  await using releases = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'voucher-gateway-bench-'));
  releases.defer(() => rm(folder, { recursive: true, force: true }));
  const engines = releases.use(await startEngines({ folder, standardPorts: false }));
  const owned = releases.move();
  return { ...engines, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

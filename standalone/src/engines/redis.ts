import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createRedisKeyValue } from '@voucher-gateway/platform/key-value/redis';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { EngineMissing, type EngineProcess, freePort, isOnPath, startEngine } from './process.ts';

export interface RedisEngine extends AsyncDisposable {
  readonly url: string;
  readonly process: EngineProcess;
}

/** Starts Redis from the installed binary, with an append-only file. */
export async function startRedis({
  folder,
  port: preferred = 6_379,
}: {
  folder: string;
  port?: number;
}): Promise<RedisEngine> {
  if (!isOnPath('redis-server')) throw new EngineMissing('Redis', 'apt-get install redis-server');
  const data = join(folder, 'redis');
  mkdirSync(data, { recursive: true });
  const port = await freePort(preferred);
  const url = `redis://127.0.0.1:${port}`;
  const engine = await startEngine({
    name: 'Redis',
    command: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--appendonly', 'yes', '--save', ''],
    logFile: join(folder, 'redis.log'),
    ready: async () => {
      await using _answers = await createRedisKeyValue({ url, log: silentLog });
    },
  });
  return { url, process: engine, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
}

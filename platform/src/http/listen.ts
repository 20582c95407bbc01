import { once } from 'node:events';
import { createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { CodedError, errorCode } from '../errors.ts';

export interface ListenOptions {
  host: string;
  port: number;
  /** Name of the port's setting, for the error message. */
  setting: string;
}

/**
 * Listens, and returns the URL with the actual port.
 * @throws CodedError PORT_TAKEN, naming the setting
 */
export async function listen(app: FastifyInstance, options: ListenOptions): Promise<string> {
  const { host, port } = options;
  try {
    return await app.listen({ host, port });
  } catch (error) {
    throw portError(error, options);
  }
}

/**
 * Checks that the port is free, so that a start can fail before it changes anything.
 * @throws CodedError PORT_TAKEN, naming the setting
 */
export async function assertPortFree(options: ListenOptions): Promise<void> {
  const { host, port } = options;
  const server = createServer().listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw portError(error, options);
  }
  await new Promise((resolve) => server.close(resolve));
}

function portError(error: unknown, { host, port, setting }: ListenOptions): unknown {
  const code = errorCode(error);
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL' || code === 'EAI_AGAIN')
    return new CodedError('CONFIG_INVALID', `HOST: ${host} is not an address of this machine.`, { cause: error });
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error;
  const why = code === 'EADDRINUSE' ? 'is taken by another process' : 'may not be used by this user';
  return new CodedError(
    'PORT_TAKEN',
    `${setting}: port ${port} ${why}. Set ${setting} to another port, or stop that process.`,
    { cause: error, details: { port, setting } },
  );
}

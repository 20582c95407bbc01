import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { errorCode, isCodedError } from '@voucher-gateway/platform/errors';
import { readBoundedText } from '@voucher-gateway/platform/http/bounded-text';
import type { Log } from '@voucher-gateway/platform/process/log';
import type { CommandResult } from '../run-command.ts';

type Run = (words: readonly string[]) => Promise<CommandResult>;

const answerWithinMs = 60_000;
const maxRequestBytes = 1_000_000;
const socketOf = (dataDir: string) => join(dataDir, 'control.sock');

/**
 * Serves an operator's commands while this process has locked the data folder. The process listens on a Unix socket in
 * the folder. Only the owner of the folder can use this socket. If the socket can't be created, for example because its
 * path is over 100 bytes long, commands work only while the process is stopped.
 */
export async function serveCommands({
  dataDir,
  run,
  log,
}: {
  dataDir: string;
  run: Run;
  log: Log;
}): Promise<AsyncDisposable> {
  const path = socketOf(dataDir);
  const server = createServer({ requestTimeout: answerWithinMs }, async (incoming, response) => {
    response.on('error', (error) => log.debug({ error }, 'an operator has disconnected'));
    try {
      response.end(JSON.stringify(await run(await readWords(incoming))));
    } catch (error) {
      log.warn({ error }, 'a command failed');
      const message = isCodedError(error) ? error.message : `The command failed (${errorCode(error)}); see the log.`;
      response.end(JSON.stringify({ done: false, message }));
    }
  });
  server.on('error', (error) => log.warn({ error }, 'operators’ commands can not be received while this runs'));
  // Removes the socket file of a process that was killed. No running process uses this file, because this process has
  // locked the folder.
  await rm(path, { force: true });
  server.listen(path);
  if (
    await once(server, 'listening').then(
      () => true,
      () => false,
    )
  )
    await chmod(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Sends a command to the process that has locked the folder. Returns null if no process listens. */
export async function sendCommand(dataDir: string, words: readonly string[]): Promise<CommandResult | null> {
  const sent = request({ socketPath: socketOf(dataDir), method: 'POST', timeout: answerWithinMs });
  sent.on('timeout', () => sent.destroy(new Error('npm start does not answer')));
  sent.end(JSON.stringify(words));
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return (await json(response)) as CommandResult;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ECONNREFUSED' || errorCode(error) === 'EINVAL')
      return null;
    throw error;
  }
}

async function readWords(incoming: IncomingMessage): Promise<string[]> {
  const text = await readBoundedText(incoming, maxRequestBytes);
  if (text === null) throw new Error('the command is too long');
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words)) throw new Error('the command is no list of words');
  return words.map(String);
}

import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { readBoundedText } from '@voucher-gateway/platform/bounded-text';
import { errorCode, isCodedError } from '@voucher-gateway/platform/errors';
import type { Log } from '@voucher-gateway/platform/log';
import type { CommandResult } from '../run-command.ts';

type Run = (words: readonly string[]) => Promise<CommandResult>;

const answerWithinMs = 60_000;
const maxRequestBytes = 1_000_000;
const socketOf = (dataDir: string) => join(dataDir, 'control.sock');

/**
 * Takes an operator's commands for as long as this process has the folder: on a socket in it, for who owns the folder
 * alone. Where there can be none, as with a path of over 100 bytes, commands have to wait until the process is stopped.
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
    response.on('error', (error) => log.debug({ error }, 'an operator left'));
    try {
      response.end(JSON.stringify(await run(await readWords(incoming))));
    } catch (error) {
      log.warn({ error }, 'a command failed');
      const message = isCodedError(error) ? error.message : `The command failed (${errorCode(error)}); see the log.`;
      response.end(JSON.stringify({ done: false, message }));
    }
  });
  server.on('error', (error) => log.warn({ error }, 'operators can not be heard while this runs'));
  // Of a process that was killed. The folder is this one's now.
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

/** Has the process that runs on the folder run a command; null where none listens. */
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

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment, optionsOfShortLived } from './standalone-process.ts';

const thisInstallation = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `npm run admin -- <words>` in the folder `installation`. Default: this repository. */
export const runAdmin = (environment: Environment, words: string[], installation?: string) =>
  runCommand('admin-main.ts', environment, words, installation);

/** Runs `npm run dead-letters -- <words>`. */
export const runDeadLetters = (environment: Environment, words: string[], installation?: string) =>
  runCommand('dead-letters-main.ts', environment, words, installation);

/** Runs `npm run topics -- <words>`. */
export const runTopics = (environment: Environment, words: string[], installation?: string) =>
  runCommand('topics-main.ts', environment, words, installation);

type Environment = Record<string, string | undefined>;

async function runCommand(main: string, environment: Environment, words: string[], installation = thisInstallation) {
  const path = join(installation, 'standalone/src', main);
  const child = spawn(process.execPath, [...optionsOfShortLived, path, ...words], {
    env: cleanEnvironment(environment),
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: code as number | null, stdout: stdout.trim(), stderr: stderr.trim() };
}

/** Returns the id of the key that signed a token. */
export function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
}

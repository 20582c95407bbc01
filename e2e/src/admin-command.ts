import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './standalone-process.ts';

/** `npm run admin -- <words>`; `installation` is where the product is installed, by default this repository. */
export async function runAdmin(
  environment: Record<string, string | undefined>,
  words: string[],
  installation?: string,
) {
  const main = `${installation ?? fileURLToPath(new URL('../..', import.meta.url))}/standalone/src/admin-main.ts`;
  const child = spawn(process.execPath, [main, ...words], { env: cleanEnvironment(environment) });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, stdout: stdout.trim(), stderr: stderr.trim() };
}

/** The id of the key that signed a token. */
export function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
}

import { execFileSync } from 'node:child_process';
import type { Page } from 'playwright-core';

/** A copied curl command, as a shell parses it. */
export interface CopiedCommand {
  text: string;
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Reads the command in the clipboard. The command's variable `TOKEN` has the value of `token`. */
export async function readCommand(page: Page, token = 'TOKEN'): Promise<CopiedCommand> {
  const text = await page.evaluate<string>('navigator.clipboard.readText()');
  // A shell function replaces `curl`. It sends nothing, and prints its arguments, each followed by NUL.
  const script = `curl() { printf '%s\\0' "$@"; }; TOKEN='${token}'; ${text}`;
  const args = execFileSync('sh', ['-c', script], { encoding: 'utf8', timeout: 10_000 }).split('\0');
  const valuesOf = (option: string) => args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ''] : []));
  return {
    text,
    url: args.find((arg) => arg.startsWith('http')) ?? '',
    headers: Object.fromEntries(valuesOf('-H').map((header) => header.split(': ', 2) as [string, string])),
    body: valuesOf('-d')[0] ?? '',
  };
}

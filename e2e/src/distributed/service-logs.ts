import { open } from 'node:fs/promises';
import { afterEach } from 'vitest';

const files = new Set<string>();
const shownBytes = 20_000;

/** Prints the end of the log after each failed test, until disposed. */
export function showOnFailure(logFile: string): Disposable {
  files.add(logFile);
  return { [Symbol.dispose]: () => void files.delete(logFile) };
}

// The hook is registered in a setup file, so that it runs before the test removes the folder with the logs.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  for (const file of files) process.stderr.write(`--- ${task.name}: the services' log ---\n${await readEnd(file)}\n`);
});

async function readEnd(file: string): Promise<string> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  const { buffer, bytesRead } = await handle.read({
    buffer: Buffer.alloc(shownBytes),
    position: Math.max(0, size - shownBytes),
  });
  return buffer.toString('utf8', 0, bytesRead);
}

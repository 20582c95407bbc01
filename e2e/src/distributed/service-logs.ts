import { open } from 'node:fs/promises';
import { afterEach } from 'vitest';

const files = new Set<string>();
const shownBytes = 20_000;

/** After each failed test, the end of this log file is printed. Disposing the result stops the printing. */
export function showOnFailure(logFile: string): Disposable {
  files.add(logFile);
  return { [Symbol.dispose]: () => void files.delete(logFile) };
}

// A setup file registers this hook, so that the hook runs before a test removes its folder with the logs.
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

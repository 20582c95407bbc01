import { writeSync } from 'node:fs';

/** A full pipe is tried again for this long, until lines are dropped. */
const waitAtMostMs = 100;

/**
 * Where log lines go: a file descriptor, written at once. Its `write` never throws, for a full disk must not fail a
 * request. A line that can't be written is dropped; the next one that can has the count as `droppedLines`.
 *
 * @param fd default: standard error
 * @param write writes bytes and returns how many it took, as `fs.writeSync` does
 */
export function createLogDestination(
  fd = 2,
  write: (fd: number, bytes: Uint8Array) => number = writeSync,
): { write(line: string): void } {
  let dropped = 0;
  let isCut = false;

  const writeAll = (bytes: Buffer) => {
    const giveUpAt = performance.now() + (dropped === 0 ? waitAtMostMs : 0);
    for (let written = 0; written < bytes.length; ) {
      try {
        written += write(fd, bytes.subarray(written));
        isCut = written < bytes.length;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() >= giveUpAt) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  };
  return {
    write(line) {
      const told = dropped === 0 ? line : line.replace(/\}\s*$/, `,"droppedLines":${dropped}}\n`);
      try {
        writeAll(Buffer.from(isCut ? `\n${told}` : told));
        dropped = 0;
      } catch {
        dropped += 1;
      }
    },
  };
}

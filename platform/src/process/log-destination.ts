import { writeSync } from 'node:fs';

/** Time for which writes to a full pipe are retried. After that time, lines are dropped. */
const waitAtMostMs = 100;

/**
 * Writes log lines synchronously to a file descriptor. `write` never throws, because a full disk must not fail a
 * request. The first line that is written after dropped lines has their number as `droppedLines`.
 *
 * @param fd default: standard error
 * @param write writes bytes and returns how many were written, like `fs.writeSync`
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
      const text = dropped === 0 ? line : line.replace(/\}\s*$/, `,"droppedLines":${dropped}}\n`);
      try {
        writeAll(Buffer.from(isCut ? `\n${text}` : text));
        dropped = 0;
      } catch {
        dropped += 1;
      }
    },
  };
}

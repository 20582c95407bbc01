import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/** Headers of a message that are read: ours have five at most. */
const maxHeaders = 100;

/**
 * Patches kafkajs to read the first headers of a message only. For each header it copies all headers before it: one
 * message of 40 kB with 8,000 headers blocked the event loop of each process that read its topic for a minute, again and
 * again. Idempotent.
 */
export function patchHeaders(log?: Log): void {
  patchOnce(
    {
      path: 'kafkajs/src/protocol/decoder',
      // Of lists, headers alone are written in this form.
      method: 'readVarIntArray',
      writtenFor: '4b6a496115d77a50d7273151d5d226512c5c963506ac9b9e16b02f2c72621a24',
      without: 'a message with many headers stops the processes that read it',
      patch: (read) =>
        function (readOne) {
          return read.call(this, readOne).slice(0, maxHeaders);
        },
    },
    log,
  );
}

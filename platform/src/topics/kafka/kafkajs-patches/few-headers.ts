import type { Log } from '../../../process/log.ts';
import { patchOnce } from './patch-once.ts';

/** Limit of headers that are read per message. Our messages have at most five headers. */
const maxHeaders = 100;

/**
 * Patches kafkajs to read only the first `maxHeaders` headers of a message. For each header, kafkajs copies all earlier
 * headers. A message of 40 kB with 8,000 headers blocked the event loop of each reader for a minute, again and again.
 * Idempotent.
 */
export function patchHeaders(log?: Log): void {
  patchOnce(
    {
      path: 'kafkajs/src/protocol/decoder',
      // Headers are the only lists that kafkajs reads with this method.
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

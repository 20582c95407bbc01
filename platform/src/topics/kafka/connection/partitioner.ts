import { createHash } from 'node:crypto';

/**
 * Returns the partition of a key, by jump consistent hash. When partitions are added, a key stays in its partition or
 * moves to an added partition. Readers start an added partition only after they have caught up with the older
 * partitions. This keeps a key's messages in order.
 *
 * @param count number of partitions, at least 1
 * @see Lamping and Veach, A Fast, Minimal Memory, Consistent Hash Algorithm, https://arxiv.org/abs/1406.2294
 */
export function partitionOf(key: string, count: number): number {
  return jumpHash(createHash('sha256').update(key).digest().readBigUInt64BE(), count);
}

/** Returns the bucket, from 0 to `buckets` - 1, of a 64-bit key. */
export function jumpHash(key: bigint, buckets: number): number {
  let state = BigInt.asUintN(64, key);
  let bucket = -1;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    state = BigInt.asUintN(64, state * 2_862_933_555_777_941_757n + 1n);
    next = Math.floor((bucket + 1) * (2 ** 31 / (Number(state >> 33n) + 1)));
  }
  return bucket;
}

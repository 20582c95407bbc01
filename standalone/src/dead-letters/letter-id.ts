import type { DeadLetter } from '@voucher-gateway/platform/topics/dead-letter-reader';

export function idOf({ topic, partition, position }: DeadLetter): string {
  return `${topic}:${partition}:${position}`;
}

import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { RawMessage } from '../handle.ts';

/**
 * A message of Kafka as the port knows it. Its position is Kafka's offset plus one: the place behind it,
 * so that 0 stands ahead of a partition's first message and a position can be committed as it is.
 */
export function rawMessage(partition: number, { offset, key, value, headers, timestamp }: KafkaMessage): RawMessage {
  return {
    key: key?.toString('utf8') ?? '',
    value: value?.toString('utf8') ?? '',
    headers: textHeaders(headers),
    partition,
    position: Number(offset) + 1,
    publishedAt: Number(timestamp),
  };
}

function textHeaders(headers: IHeaders = {}): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) texts[name] = first.toString();
  }
  return texts;
}

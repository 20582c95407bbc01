import type { IHeaders, KafkaMessage } from 'kafkajs';
import type { RawMessage } from '../../message.ts';

/**
 * Converts a Kafka message. Its position is the offset plus one. Position 0 is therefore before a partition's first
 * message, and a position equals the offset that Kafka expects in a commit.
 */
export function toRawMessage(partition: number, { offset, key, value, headers, timestamp }: KafkaMessage): RawMessage {
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
    // A header may have no value, which kafkajs's types do not say.
    if (first !== undefined && first !== null) texts[name] = first.toString();
  }
  return texts;
}

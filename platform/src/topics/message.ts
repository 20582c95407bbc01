import type { Message, Topic } from '../topics.ts';
import { decodeValue } from './codec.ts';

/** A message as it was read, with an unchecked value. */
export interface RawMessage {
  key: string;
  /** JSON, unless a faulty producer sent another text. */
  value: string;
  headers: Readonly<Record<string, string>>;
  partition: number;
  position: number;
  publishedAt: number;
}

/** Decodes and checks a message. Throws CodedError TOPIC_VALUE_INVALID. */
export function checkMessage<Value>(topic: Topic<Value>, raw: RawMessage): Message<Value> {
  const { key, headers, partition, position, publishedAt } = raw;
  const value = decodeValue(topic, raw.value);
  return { topic: topic.name, key, value, headers, partition, position, publishedAt, textLength: textLengthOf(raw) };
}

export function textLengthOf({ key, value, headers }: RawMessage): number {
  let length = key.length + value.length;
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0);
  return length;
}

import { CodedError } from '../errors.ts';
import type { Topic } from '../topics.ts';

/** Largest value in bytes of JSON: below Kafka's default of 1 MiB per message, with room for headers. */
export const maxValueBytes = 900_000;

/**
 * Checks and encodes a value for publishing.
 * @throws CodedError TOPIC_VALUE_INVALID, TOPIC_VALUE_TOO_LARGE
 */
export function encodeValue<Value>(topic: Topic<Value>, value: Value): string {
  const parsed = topic.schema.safeParse(value);
  if (!parsed.success) {
    throw new CodedError(
      'TOPIC_VALUE_INVALID',
      `The value does not fit the topic ${topic.name}: ${faultsOf(parsed.error.issues)}.`,
    );
  }
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > maxValueBytes) {
    throw new CodedError(
      'TOPIC_VALUE_TOO_LARGE',
      `The value for the topic ${topic.name} is larger than ${maxValueBytes} bytes.`,
    );
  }
  return text;
}

/**
 * Decodes and checks a value that was read.
 * @throws CodedError TOPIC_VALUE_INVALID, for text that is not JSON or does not fit the schema
 */
export function decodeValue<Value>(topic: Topic<Value>, text: string): Value {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CodedError('TOPIC_VALUE_INVALID', `The message of the topic ${topic.name} is not JSON.`, {
      cause: error,
    });
  }
  const parsed = topic.schema.safeParse(json);
  if (!parsed.success) {
    throw new CodedError(
      'TOPIC_VALUE_INVALID',
      `The message does not fit the topic ${topic.name}: ${faultsOf(parsed.error.issues)}.`,
    );
  }
  return parsed.data;
}

/** Lists the path and fault of each issue, without the value, which may be a voucher code or a phone number. */
function faultsOf(issues: readonly { path: PropertyKey[]; code?: string }[]): string {
  return issues.map((issue) => `${issue.path.map(String).join('.') || 'value'} (${issue.code})`).join(', ');
}

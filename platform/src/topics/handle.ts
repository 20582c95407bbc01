import { errorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Handler, Message, Place, Topic } from '../topics.ts';
import { attemptUntilDone, persist } from './attempt.ts';
import { type BuriedMessage, fitDeadLetter } from './dead-letter.ts';
import { decodeValue } from './wire.ts';

/** A message as it came, before its value was checked. */
export interface RawMessage {
  key: string;
  /** JSON, as far as its publisher kept his word. */
  value: string;
  headers: Readonly<Record<string, string>>;
  partition: number;
  position: number;
  publishedAt: number;
}

/** A checked message. Throws CodedError TOPIC_VALUE_INVALID. */
export function checkedMessage<Value>(topic: Topic<Value>, raw: RawMessage): Message<Value> {
  const { key, headers, partition, position, publishedAt } = raw;
  const value = decodeValue(topic, raw.value);
  return { topic: topic.name, key, value, headers, partition, position, publishedAt, textLength: textLengthOf(raw) };
}

function textLengthOf({ key, value, headers }: RawMessage): number {
  let length = key.length + value.length;
  for (const name in headers) length += name.length + (headers[name]?.length ?? 0);
  return length;
}

export interface MessageHandlerOptions<Value> {
  topic: Topic<Value>;
  group: string;
  handler: Handler<Value>;
  log: Log;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  /** Stores a message in the topic's dead-letter. */
  bury(message: BuriedMessage): Promise<void>;
}

/**
 * What every adapter does with a message of a group: checks and handles it, sends it to dead-letter where that fails
 * by its own fault, and retries it in place where it fails by any other.
 *
 * @returns true when the message is finished, false when the consumer stopped first
 */
export function createMessageHandler<Value>(options: MessageHandlerOptions<Value>) {
  const { topic, group, handler, log, signal, bury } = options;
  return async (raw: RawMessage, finishedThrough: () => Place): Promise<boolean> => {
    const fields = { topic: topic.name, group, partition: raw.partition, position: raw.position };
    const result = await attemptUntilDone(() => handler(checkedMessage(topic, raw), { signal, finishedThrough }), {
      signal,
      log,
      fields,
    });
    if (result.outcome === 'stopped') return false;
    if (result.outcome === 'done') return true;
    const { error } = result;
    log.error({ error, ...fields }, 'a message goes to dead-letter');
    const about = {
      'dead-letter-error': errorCode(error),
      'dead-letter-message':
        error instanceof Error && error.name === 'CodedError' ? error.message : 'the handler failed',
      'dead-letter-topic': topic.name,
      'dead-letter-group': group,
      'dead-letter-partition': String(raw.partition),
      'dead-letter-position': String(raw.position),
    };
    return persist(() => bury(fitDeadLetter(raw, about)), {
      signal,
      log,
      fields,
      failing: 'dead-letter can not be written',
    });
  };
}

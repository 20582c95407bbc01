import { type KafkaConfig, logLevel } from 'kafkajs';
import type { Log } from '../../../process/log.ts';
import { createRepeatedLines } from '../../../process/repeated-lines.ts';

/**
 * Logs kafkajs's messages on our log. A rebalance is no warning, nor is what kafkajs retries or we report ourselves.
 * Repeated ones are grouped: while no broker responds, each client of kafkajs logs every try to connect.
 */
export function createKafkaLog(log: Log): KafkaConfig['logCreator'] {
  const lines = createRepeatedLines(log);
  return () =>
    ({ level, log: { message, error, groupId } }) => {
      const text = String(message);
      const fields = { part: 'kafkajs', ...(error && { reason: String(error) }), ...(groupId && { groupId }) };
      const isReportedElsewhere = /rebalanc|not aware of this member|Response CreateTopics/i.test(`${error} ${text}`);
      // Numbers are ports and delays: without them there are few kinds.
      if (level <= logLevel.ERROR && !isReportedElsewhere) lines.warn(text.replace(/\d+/g, '#'), fields, text);
      else log.debug(fields, text);
    };
}

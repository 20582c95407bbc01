import { type KafkaConfig, logLevel } from 'kafkajs';
import type { Log } from '../../../process/log.ts';
import { createRepeatedLines } from '../../../process/repeated-lines.ts';

/**
 * Writes kafkajs's messages to our log. Rebalances, failures that kafkajs retries, and failures that we report
 * ourselves are logged at `debug`. Repeated lines are grouped: while no broker responds, each kafkajs client logs every
 * attempt to connect.
 */
export function createKafkaLog(log: Log): KafkaConfig['logCreator'] {
  const lines = createRepeatedLines(log);
  return () =>
    ({ level, log: { message, error, groupId } }) => {
      const text = String(message);
      const fields = { part: 'kafkajs', ...(error && { reason: String(error) }), ...(groupId && { groupId }) };
      const isReportedElsewhere = /rebalanc|not aware of this member|Response CreateTopics/i.test(`${error} ${text}`);
      // Lines are grouped by their text without numbers, because ports and delays differ from line to line.
      if (level <= logLevel.ERROR && !isReportedElsewhere) lines.warn(text.replace(/\d+/g, '#'), fields, text);
      else log.debug(fields, text);
    };
}
